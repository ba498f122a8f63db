/** A value of an image, as JSON can hold it. */
export type ImageValue =
  | boolean
  | number
  | string
  | readonly ImageValue[]
  | { readonly [name: string]: ImageValue };

/**
 * An entry of an image: the fields of its message that are set, by the names that CRIU has for them.
 *
 * Numbers beyond 2^53 are strings of their digits, values of enumerations are their names, and bytes are in
 * base64, except for the names of Unix sockets, which are in quoted-printable.
 *
 * `extra` is what follows the message, such as the bytes in a pipe. `raw` is the whole entry in base64, and
 * is there only where the fields do not tell all of it, as where a name is not in UTF-8: it is what is
 * encoded, whatever stands beside it.
 */
export type ImageEntry = Readonly<Record<string, ImageValue>>;

/** An image as an object. It is what `crit decode` prints. */
export interface DecodedImage {
  /** The kind of the image, by CRIU's name: `PSTREE`, `CORE`. */
  readonly magic: string;
  readonly entries: readonly ImageEntry[];
  /** Which number is before that of the kind, where it is not the one that CRIU writes. */
  readonly header?: ImageHeader;
}

/** Which number is before that of the kind; none in images of CRIU 1. */
export type ImageHeader = 'common' | 'service' | 'none';
