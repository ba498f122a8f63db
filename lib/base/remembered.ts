/**
 * Remembers what a function has made of its last text: what the kernel tells seldom changes, and to compare
 * texts takes less time than to parse one.
 */
export function remembered<T>(parse: (text: string) => T): (text: string) => T {
  let last: { text: string; value: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, value: parse(text) };
    return last.value;
  };
}
