/** The name that was probably meant, out of some; undefined when none is near. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  // With more changes than this it is another word.
  let least = Math.max(2, Math.ceil(name.length * 0.4)) + 1;
  for (const candidate of names) {
    const changes = distance(plain(name), plain(candidate));
    if (changes < least) [best, least] = [candidate, changes];
  }
  return best;
}

/** Makes one name of `tcp-established`, `tcp_established` and `tcpEstablished`. */
function plain(name: string): string {
  return name.replace(/[-_]/g, '').toLowerCase();
}

/** The Levenshtein distance: how many letters are to be inserted, deleted or replaced. */
function distance(from: string, to: string): number {
  // A name is short; a hostile one must not cost time.
  if (Math.abs(from.length - to.length) > 20) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
