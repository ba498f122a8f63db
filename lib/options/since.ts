import { type OptionMention, option, type Sentence, sentence } from '../base/sentence.js';
import { type CriuVersion, isOlder } from '../criu/program.js';
import { optionTable } from './table.js';

/** The options that not every CRIU knows, or not every word of. */
const young = optionTable.filter(({ since, valuesSince }) => since ?? valuesSince);

/** The oldest CRIU that asks for external files. */
const asksForFiles = '3.19';

/**
 * Why a CRIU cannot carry out what these options ask: it does not know one of them. CRIU says nothing
 * of a field that it does not know, and does without.
 *
 * @param options - Validated ones.
 * @returns the end of a sentence that begins with the CRIU; undefined when it knows them all.
 */
export function reasonOfUnknown(options: object, version: CriuVersion): Sentence | undefined {
  const given = options as Readonly<Record<string, unknown>>;
  for (const { name, since, valuesSince = {} } of young) {
    const value = given[name];
    if (value === undefined || value === false) continue;
    if (since !== undefined && isBefore(version, since)) return tooOld(option(name), since);
    const wordSince = typeof value === 'string' ? valuesSince[value] : undefined;
    if (wordSince !== undefined && isBefore(version, wordSince)) {
      return tooOld(option(name, value as string), wordSince);
    }
  }
  const { queryExtFiles } = (given['hooks'] ?? {}) as { queryExtFiles?: unknown };
  if (queryExtFiles === undefined || !isBefore(version, asksForFiles)) return undefined;
  return tooOld(option('hooks.queryExtFiles'), asksForFiles);
}

function tooOld(what: OptionMention, since: string): Sentence {
  return sentence`does not know ${what}, and would do without it and say nothing: ${since} or newer is
    needed`;
}

function isBefore(version: CriuVersion, since: string): boolean {
  const [major = 0, minor = 0] = since.split('.').map(Number);
  return isOlder(version, { major, minor });
}
