import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { versionText } from '../../../lib/criu/program.js';
import { noteOnVersions, readVersion, versionFile } from '../../../lib/images/version.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

/** A directory of images with a file that says who made them. */
async function imagesOf([name, content]: readonly [string, string]): Promise<string> {
  const directory = await scope.directory();
  writeFileSync(join(directory, name), content);
  return directory;
}

describe('the version of the CRIU that has made images', () => {
  test('is written as CRIU writes it', () => {
    expect(versionText({ major: 4, minor: 2, sublevel: 1 })).toBe('4.2.1');
    expect(versionText({ major: 3, minor: 17, sublevel: 0, name: 'x' })).toBe('3.17');
  });

  test('is noted beside them', async () => {
    const directory = await imagesOf(versionFile('4.2.1'));
    expect(await readVersion(directory)).toBe('4.2.1');
    expect(await readVersion(await scope.directory())).toBeUndefined();
  });

  test.each(['', '{}', '[1]', '{"criu":4}', '{"criu":"4.2; rm"}', 'null'])(
    'is not taken from what is none of ours: %j',
    async (content) => {
      const directory = await imagesOf([versionFile('')[0], content]);
      expect(await readVersion(directory)).toBeUndefined();
      expect(await noteOnVersions(directory, '4.2')).toBeUndefined();
    },
  );

  test.each([
    ['4.2.1', '4.1.1', true],
    ['4.10', '4.9.9', true],
    ['4.2.1', '4.2', true],
    ['5.0', '4.9', true],
    ['4.1.1', '4.2.1', false],
    ['3.19', '4.0', false],
  ])('%s is told to %s, with a cure if it is newer', async (made, version, isNewer) => {
    const directory = await imagesOf(versionFile(made));
    const note = (await noteOnVersions(directory, version)) ?? '';
    expect(note).toContain(`CRIU ${made}, and this is ${version}`);
    expect(note.endsWith(`restore them with ${made}`)).toBe(isNewer);
    expect(await noteOnVersions(directory, made)).toBeUndefined();
  });
});
