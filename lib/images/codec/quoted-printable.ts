/** Writes bytes in quoted-printable, on one line. */
export function toQuotedPrintable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return text.replace(/[^!-<>-~ ]| $/gs, quoted);
}

function quoted(character: string): string {
  return `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Reads quoted-printable. What is no escape stands for itself. */
export function fromQuotedPrintable(text: string): Buffer {
  const plain = text
    .replace(/=[ \t]*\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
  return Buffer.from(plain, 'latin1');
}
