import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { journalFile, readStreams } from '../../../lib/images/journal.js';
import { isWrittenName } from '../../../lib/images/names.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const stream = { inode: '4711', identifier: 'web', unit: 'web.service' };

async function read(content: string): Promise<unknown> {
  const directory = await scope.directory();
  writeFileSync(join(directory, journalFile([])[0]), content);
  return readStreams(directory);
}

describe('the streams to the journal that images have', () => {
  test('are noted beside them', async () => {
    const streams = [stream, { inode: '4712', identifier: 'a\nb', unit: '' }];
    expect(await read(journalFile(streams)[1])).toEqual(streams);
    expect(await readStreams(await scope.directory())).toEqual([]);
    expect(isWrittenName(journalFile([])[0])).toBe(true);
  });

  test.each([
    '',
    '{}',
    '[]',
    '{"streams":{}}',
    '{"streams":[null,1,"x",{}]}',
    JSON.stringify({ streams: [{ ...stream, inode: '1]:[2' }] }),
    JSON.stringify({ streams: [{ ...stream, unit: 5 }] }),
  ])('are none of what is none of ours: %j', async (content) => {
    expect(await read(content)).toEqual([]);
  });
});
