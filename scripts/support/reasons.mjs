// @ts-check
// Why something is not run in a cell of the table of systems and versions.

/** @type {Readonly<Record<string, string>>} */
const ofSystems = {
  'linux-x64-musl':
    "There is no Node.js for musl in npm's registry or in Debian, so the addon was loaded by musl's loader, with all that " +
    'it needs of musl, in a program that stands for Node.js.',
  'linux-arm64-gnu':
    'The addon was loaded in Node.js, and started a process and a thread, in an emulator of the processor. Of CRIU, that ' +
    'of the package alone was built for arm64.',
  'linux-arm64-musl':
    "There is no Node.js for musl in npm's registry or in Debian, so the addon was loaded by musl's loader in an " +
    'emulator of the processor, with all that it needs of musl, in a program that stands for Node.js.',
};

/** Why no process was saved where the addon was loaded. @param {string} system */
export const reasonOfLoaded = (system) => ofSystems[system] ?? 'The addon was loaded.';

/** Why nothing was run at all. @param {string | null} release of CRIU; null for all */
export function reasonOf(release) {
  if (release === null) return '`npm run test:support` was not run here.';
  return `CRIU ${release} was not there: Debian's archive has no source of it.`;
}
