/**
 * An address of the internet as it is written.
 *
 * @param words - One number of 32 bits, or four, in the order of the network.
 */
export function addressOf(words: readonly number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, index * 4);
  return words.length === 4 ? ipv6(bytes) : [...bytes].join('.');
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  const text = groups.join(':');
  // The longest row of zeros is left out.
  const zeros = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([row]) => row);
  const [longest] = zeros.sort((a, b) => b.length - a.length);
  return longest === undefined ? text : text.replace(longest, '::').replace(/:{3,}/, '::');
}

/** An address with a port; undefined where there is neither. */
export function endpoint(words: readonly number[], port: number): string | undefined {
  if (port === 0 && words.every((word) => word === 0)) return undefined;
  const address = addressOf(words);
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
