import type { DescMessage } from '@bufbuild/protobuf';
import { commonMagic, type Extra, type Kind, serviceMagic } from './kinds.js';
import { messageNamed } from './registry.js';
import type { ImageHeader } from './types.js';

/** A message of an entry, and what follows it. */
export interface Part {
  readonly message: DescMessage;
  readonly extra: Extra | undefined;
}

/** The parts that the entries of an image are: that of the first one, and that of the others. */
export function partsOf(kind: Kind): { first: Part; others: Part } {
  const { message, first = message, extra } = kind;
  return {
    first: { message: messageNamed(first), extra: kind.first === undefined ? extra : undefined },
    others: { message: messageNamed(message), extra },
  };
}

/** The numbers before that of a kind. */
export const headers: Readonly<Record<ImageHeader, number | undefined>> = {
  common: commonMagic,
  service: serviceMagic,
  none: undefined,
};

/** Which number CRIU writes before that of a kind. */
export function usualHeader(magic: string): ImageHeader {
  if (magic === 'INVENTORY') return 'none';
  return magic === 'STATS' || magic === 'IRMAP_CACHE' ? 'service' : 'common';
}
