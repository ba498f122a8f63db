import { printable } from '../../base/printable.js';

/** Text that is HTML, made by {@link html}. */
export class Markup {
  readonly text: string;

  /** Use {@link html}. */
  constructor(text: string) {
    this.text = text;
  }
}

/** What a template can have between its parts: all but markup is escaped. */
type Value = Markup | number | string | undefined | readonly Markup[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Makes HTML. What stands in the template is HTML, and what is put into it is text, which is escaped for
 * elements and for attributes in quotes. There is no other way to make {@link Markup} in here.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const text = parts.map((part, at) => `${part}${shown(values[at])}`).join('');
  return new Markup(text);
}

function shown(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(shown).join('');
  return value === undefined ? '' : escaped(String(value));
}

function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}
