import { createHash } from 'node:crypto';

/** The digits of a digest of SHA-256; undefined for what is none. */
export function digitsOf(digest: string): string | undefined {
  return /^(?:sha256:)?([0-9a-f]{64})$/.exec(digest)?.[1];
}

/**
 * The names that layers have when they lie one over the other, from the lowest to the highest:
 * https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid.
 *
 * @param diffIds - Of the layers, from the lowest to the highest: `sha256:DIGITS`.
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    const sum = (): string =>
      createHash('sha256')
        .update(`${below ?? ''} ${diffId}`)
        .digest('hex');
    chain.push(below === undefined ? diffId : `sha256:${sum()}`);
  }
  return chain;
}
