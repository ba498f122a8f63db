/** A terminal must not be told what to do by who made a checkpoint, or named a file. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: These are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?');
}
