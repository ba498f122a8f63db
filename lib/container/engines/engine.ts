/** How an engine knows a container, as far as its files tell. */
export interface EngineFacts {
  /** The name by which the engine's users know it; the id where it has no other. */
  name: string;
  /** All names to which it answers, besides its id. */
  names: readonly string[];
  /** The image that it was made of. */
  image: string | undefined;
  /** The id of that image, 64 hexadecimal digits, where the engine's files tell. */
  imageId?: string | undefined;
}

/** What an engine does to a container that ends without its having asked for that. */
export type AfterKill = 'restarts' | 'removes';
