import { refuseArchive } from './fault.js';

/** A value of a file that an engine has written; what is not as it should be is absent. */
export class Told {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  /**
   * Parses a file's text.
   *
   * @param name - Of the file, for the sentence that refuses it.
   */
  static parse(name: string, text: Buffer | undefined): Told {
    if (text === undefined) return new Told(undefined);
    try {
      return new Told(JSON.parse(text.toString('utf8')));
    } catch {
      return refuseArchive(`its ${name} is not whole JSON`);
    }
  }

  get value(): unknown {
    return this.#value;
  }

  get(...keys: readonly string[]): Told {
    let value = this.#value;
    for (const key of keys) {
      const isObject = typeof value === 'object' && value !== null;
      value = isObject ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined;
    }
    return new Told(value);
  }

  /** Undefined for an empty one too. */
  get text(): string | undefined {
    return typeof this.#value === 'string' && this.#value !== '' ? this.#value : undefined;
  }

  get list(): readonly Told[] {
    return Array.isArray(this.#value) ? this.#value.map((value) => new Told(value)) : [];
  }

  get keys(): readonly string[] {
    const value = this.#value;
    return typeof value === 'object' && value !== null ? Object.keys(value) : [];
  }

  /** A time in the form of RFC 3339. Go has the year 1 for none. */
  get time(): Date | undefined {
    const time = new Date(this.text ?? Number.NaN);
    return time.getTime() > 0 ? time : undefined;
  }
}
