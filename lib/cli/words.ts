import { apiWords, option, type Sentence, textOf, type Words } from '../base/sentence.js';
import type { OptionRow } from '../options/schema.js';

/**
 * The words of a command: flags in the place of options.
 *
 * @param rows - The options that its flags are.
 * @param others - What else it calls in its own way: arguments, global flags.
 */
export function flagWords(
  rows: readonly OptionRow[],
  others: Readonly<Record<string, string>> = {},
): Words {
  const words = new Map([
    ...rows.map(({ name, flag }) => [name, `--${flag ?? name}`] as const),
    ...Object.entries(others),
  ]);
  return {
    option(name, value) {
      // An element of a list was given by the flag of the list.
      const [whole = name] = name.split(/[[.]/, 1);
      const flag = words.get(whole);
      if (flag === undefined) return apiWords.option(name, value);
      if (value === undefined || value === true) return flag;
      if (typeof value === 'object') {
        return value.map((item) => `${flag} ${inShell(item)}`).join(' ');
      }
      if (typeof value === 'string') return `${flag} ${inShell(value)}`;
      return value === false ? `${flag}=false` : `${flag} ${value}`;
    },
    // A command line has no JavaScript types.
    remark: () => '',
  };
}

/** The help of an option, which puts the names of options between backticks, in a command's words. */
export function helpText(help: string, words: Words): string {
  const parts: Sentence = help
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part : option(part)));
  return textOf(parts, words);
}

/** A word as a shell takes it. */
function inShell(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
