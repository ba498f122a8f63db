import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { libcriu } from '../../helpers/command.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
const pstree = join(projectRoot, 'test/fixtures/images/pstree.img');
let directory = '';
beforeEach(async () => {
  directory = await scope.directory();
});

test('decode prints an image as JSON, and encode makes the image of that', async () => {
  const { status, stdout } = await libcriu(['decode', pstree]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ magic: 'PSTREE' });
  const json = join(directory, 'json');
  writeFileSync(json, stdout);
  const image = join(directory, 'image');
  expect(await libcriu(['encode', json, image])).toMatchObject({ status: 0, stdout: '' });
  expect(readFileSync(image).equals(readFileSync(pstree))).toBe(true);
});

test('encode reads and writes the standard streams', async () => {
  const { stdout } = await libcriu(['decode', pstree]);
  const output = new PassThrough();
  const written = buffer(output);
  const input = Readable.from([stdout]);
  const { status } = await libcriu(['encode', '-', '-'], undefined, { input, output });
  output.end();
  expect(status).toBe(0);
  expect((await written).equals(readFileSync(pstree))).toBe(true);
});

test('encode writes over no file unless it is told to, and nothing to a terminal', async () => {
  const json = join(directory, 'json');
  writeFileSync(json, (await libcriu(['decode', pstree])).stdout);
  const image = join(directory, 'image');
  writeFileSync(image, 'precious');
  const refused = await libcriu(['encode', json, image]);
  expect(refused.stderr).toMatch(/exists already; give a fresh one, or --existing replace"\n$/);
  expect(readFileSync(image, 'utf8')).toBe('precious');
  expect(await libcriu(['encode', '--existing', 'replace', json, image])).toMatchObject({
    status: 0,
  });
  expect(readFileSync(image).equals(readFileSync(pstree))).toBe(true);
  expect((await libcriu(['encode', json, '-'])).stderr).toMatch(/to a terminal/);
});

describe('what cannot be used is refused with one sentence', () => {
  const cases: Readonly<Record<string, readonly [string, string | Buffer | undefined, RegExp]>> = {
    'a file that is not there': ['none.img', undefined, /Expected a file that exists/],
    'an image that is cut short': [
      'pstree.img',
      readFileSync(pstree).subarray(0, -1),
      /Cannot decode the image \S+: it is cut short/,
    ],
    'a text': ['text.img', 'no image', /it is no image of a kind that is known/],
    'pages of memory': ['pages-1.img', 'no image', /it holds pages of memory as they are/],
  };
  test.each(Object.entries(cases))('%s', async (_, [name, content, sentence]) => {
    const path = join(directory, name);
    if (content !== undefined) writeFileSync(path, content);
    const { status, stdout, stderr } = await libcriu(['decode', path]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('a fifo, for which nothing waits', async () => {
    const path = join(directory, 'fifo');
    await runOk('mkfifo', [path]);
    expect((await libcriu(['decode', path])).stderr).toMatch(/it is not a file/);
  });

  test.each([
    ['{', /Expected JSON for <json>/],
    [
      '{ "magic": "PSTREE", "entries": [{}] }',
      /Expected an object with pid for image.entries\[0\]/,
    ],
  ])('the JSON %s', async (text, sentence) => {
    const path = join(directory, 'json');
    writeFileSync(path, text);
    const { status, stderr } = await libcriu(['encode', path, join(directory, 'image')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(sentence);
  });
});
