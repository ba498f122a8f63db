import { optionsOf } from '../options/calls.js';

/** Of an option's name that is a plain word too, only what cannot be the plain word. */
const isPlainWord = (name: string): boolean => name === name.toLowerCase();

const flagOf = new Map<string, string>([
  ...optionsOf('checkpoint').flatMap(({ name, flag }) =>
    flag === undefined ? [] : [[name, `--${flag}`] as const],
  ),
  ['stateRoot', '--root'],
  ['id', '<container-id>'],
]);
const names = [...flagOf.keys()];
const distinct = names.filter((name) => !isPlainWord(name)).join('|');
const plain = names.filter(isPlainWord).join('|');

/** Text in quotes is somebody's value; the ' of "CRIU's" opens none. */
const quotedPart = /(?<!\w)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)(?!\w)/;
const element = String.raw`(?:\[\d+\](?:\.\w+)?)?`;
const argument = new RegExp(`(?<= for )(${plain})${element}(?= but received)`, 'g');
const setting = new RegExp(String.raw`\b(${plain}|${distinct}): true\b`, 'g');
const anywhere = new RegExp(String.raw`(?<![\w/.-])(${distinct})${element}(?![\w/])`, 'g');
const word = new RegExp(String.raw`\b(${plain}|${distinct}): '(\w+)'`, 'g');
const javaScriptType = / of type (?:string|number|boolean|object)(?=$|[:,;])/g;

/** A sentence of the API in the words of the command: flags in the place of options. */
export function inFlags(sentence: string): string {
  return sentence
    .replace(word, (_, name: string, value: string) => `${flagOf.get(name)} ${value}`)
    .split(quotedPart)
    .map((part, index) => {
      if (index % 2 === 1) return part;
      const toFlag = (_: string, name: string): string => flagOf.get(name) ?? name;
      return part
        .replace(argument, toFlag)
        .replace(setting, toFlag)
        .replace(anywhere, toFlag)
        .replace(javaScriptType, '');
    })
    .join('');
}
