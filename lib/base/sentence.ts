import { inspect } from 'node:util';

/** What the value of an option can be in a sentence. */
export type MentionedValue = boolean | number | string | readonly string[];

/** An option that a sentence mentions, which the command calls by its flag. */
export interface OptionMention {
  /** The option, with the element that is meant: `pageServer`, `external[0]`. */
  readonly option: string;
  /** Its value, when the sentence says what to set it to: `tcpEstablished: true`. */
  readonly value?: MentionedValue;
}

/** What a sentence says to callers of the API alone, such as the JavaScript type of a value. */
export interface ApiRemark {
  readonly remark: string;
}

/** A part of a sentence: text as it stands, or what the command says in other words. */
export type SentencePart = string | OptionMention | ApiRemark;

/** A sentence that may mention options, so that it can be said in the API's words and in flags. */
export type Sentence = string | readonly SentencePart[];

/** How a reader of sentences calls options. */
export interface Words {
  option(name: string, value?: MentionedValue): string;
  /** What becomes of an {@link ApiRemark}. */
  remark(text: string): string;
}

/** The words of the API: options by their names, settings as they stand in an object literal. */
export const apiWords: Words = {
  option: (name, value) => (value === undefined ? name : `${name}: ${literal(value)}`),
  remark: (text) => text,
};

/**
 * Makes a sentence of text, mentions and other sentences: ``sentence`pass ${option('tls', true)}`
   ``.
 * A line break of the source and the indent behind it are one space.
 */
export function sentence(
  texts: TemplateStringsArray,
  ...values: readonly (Sentence | SentencePart | number)[]
): readonly SentencePart[] {
  return texts.flatMap((text, index) => {
    const value = values[index];
    const line = text.replace(/\s*\n\s*/g, ' ');
    return value === undefined ? [line] : [line, ...partsOf(value)];
  });
}

/** Mentions an option; with a value, what to set it to. */
export function option(name: string, value?: MentionedValue): OptionMention {
  return value === undefined ? { option: name } : { option: name, value };
}

/** A remark for callers of the API. */
export function toApi(text: string): ApiRemark {
  return { remark: text };
}

/** A value that was received: shown in one line, with its type for callers of the API. */
export function inspected(value: unknown): readonly SentencePart[] {
  const text = inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 200 });
  return value === null || value === undefined ? [text] : [text, toApi(` of type ${typeof value}`)];
}

/** The text of a sentence, in the words of the API unless others are given. */
export function textOf(said: Sentence, words: Words = apiWords): string {
  return partsOf(said)
    .map((part) => {
      if (typeof part === 'string') return part;
      return 'remark' in part ? words.remark(part.remark) : words.option(part.option, part.value);
    })
    .join('');
}

/** The parts of a sentence, with neighbouring texts as one. */
export function joined(said: Sentence): readonly SentencePart[] {
  const parts: SentencePart[] = [];
  for (const part of partsOf(said)) {
    const last = parts.at(-1);
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part;
    else if (part !== '') parts.push(part);
  }
  return parts;
}

function partsOf(value: Sentence | SentencePart | number): readonly SentencePart[] {
  if (typeof value === 'number') return [String(value)];
  return isParts(value) ? value : [value];
}

function isParts(value: Sentence | SentencePart): value is readonly SentencePart[] {
  return Array.isArray(value);
}

function literal(value: MentionedValue): string {
  return typeof value === 'object'
    ? `[${value.map((item) => inspect(item)).join(', ')}]`
    : inspect(value);
}
