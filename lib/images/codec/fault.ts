/** What is wrong with an image, as somebody tells it who does not know the image's name. */
export class ImageFault extends Error {}

/** Refuses an image. */
export function refuseImage(why: string): never {
  throw new ImageFault(why);
}

/** Refuses an image that ends before it is complete. */
export function refuseCutShort(): never {
  refuseImage('it is cut short');
}
