import { fromQuotedPrintable } from '../images/codec/quoted-printable.js';
import type { ImageEntry, ImageValue } from '../images/codec/types.js';

/** An entry of an image, of which each field is asked for with its type. What is not there is empty. */
export class Entry {
  readonly #fields: ImageEntry;

  constructor(fields: ImageEntry) {
    this.#fields = fields;
  }

  has(name: string): boolean {
    return this.#field(name) !== undefined;
  }

  text(name: string): string {
    const value = this.#field(name);
    return typeof value === 'string' ? value : '';
  }

  /** A number. Of one beyond 2^53 the last digits are lost, which no address that is mapped has. */
  number(name: string): number {
    return Number(this.#field(name) ?? 0);
  }

  is(name: string): boolean {
    return this.#field(name) === true;
  }

  entry(name: string): Entry {
    const value = this.#field(name);
    return new Entry(isObject(value) ? value : {});
  }

  entries(name: string): readonly Entry[] {
    return this.#list(name).map((value) => new Entry(isObject(value) ? value : {}));
  }

  numbers(name: string): readonly number[] {
    return this.#list(name).map(Number);
  }

  /** The name of a Unix socket, in which `@` stands for the zeros of an abstract one. */
  unixName(name: string): string {
    const bytes = fromQuotedPrintable(this.text(name));
    const isAbstract = bytes[0] === 0;
    const text = bytes.toString('utf8').replace(/\0+$/, '');
    return isAbstract ? text.replaceAll('\0', '@') : text;
  }

  #field(name: string): ImageValue | undefined {
    return this.#fields[name];
  }

  #list(name: string): readonly ImageValue[] {
    const value = this.#field(name);
    return Array.isArray(value) ? value : [];
  }
}

function isObject(value: ImageValue | undefined): value is ImageEntry {
  return typeof value === 'object' && !Array.isArray(value);
}
