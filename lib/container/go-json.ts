/**
 * JSON as Go's `encoding/json` writes it, for what runc and its hooks read: no spaces, and the
 * characters that HTML gives a meaning escaped.
 */
export function goJson(
  value: string | number | readonly string[] | ReadonlyMap<string, string>,
): string {
  if (typeof value === 'string') {
    return JSON.stringify(value).replace(
      /[<>&\u2028\u2029]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  }
  if (typeof value === 'number') return String(value);
  if (value instanceof Map) {
    // JSON.stringify() of an object would move keys that look like numbers to the front.
    const members = [...value]
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([key, member]) => `${goJson(key)}:${goJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return `[${(value as readonly string[]).map(goJson).join(',')}]`;
}
