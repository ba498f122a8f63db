import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openFileTarget, streamTarget, type Target } from '../../../lib/archive/target.js';
import { ArchiveWriter } from '../../../lib/archive/writer.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

async function written(target: Target, signal?: AbortSignal): Promise<void> {
  const writer = await ArchiveWriter.open(target, 'none', signal);
  try {
    await writer.addText('config.dump', '{}');
    await writer.addDirectory('checkpoint');
    await writer.addText('checkpoint/pages-1.img', Buffer.alloc(3_000_000, 7));
    await writer.finish();
    await target.keep();
  } catch (error) {
    await writer.abandon(error);
    throw error;
  } finally {
    await target.close();
  }
}

describe('an archive that is a file', () => {
  test('has its name when it is complete, and is for its owner alone', async () => {
    const directory = await scope.directory();
    const before = process.umask(0o277);
    try {
      const target = await openFileTarget('export', join(directory, 'web.tar'), false);
      expect(readdirSync(directory)).toEqual([expect.stringMatching(/^\.web\.tar\..*\.partial$/)]);
      await written(target);
    } finally {
      process.umask(before);
    }
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(lstatSync(join(directory, 'web.tar')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, 'web.tar')).length % 512).toBe(0);
  });

  test('that is there already is refused, or replaced as a whole', async () => {
    const directory = await scope.directory();
    const path = join(directory, 'web.tar');
    writeFileSync(path, 'old');
    await expect(openFileTarget('export', path, false)).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
      message: `The file of export ${path} exists already; give a fresh one, or existing: 'replace'`,
    });
    expect(readdirSync(directory)).toEqual(['web.tar']);
    const target = await openFileTarget('export', path, true);
    expect(readFileSync(path, 'utf8')).toBe('old');
    await written(target);
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(readFileSync(path).length).toBeGreaterThan(3_000_000);
  });

  test('that comes meanwhile is not replaced', async () => {
    const directory = await scope.directory();
    const path = join(directory, 'web.tar');
    const target = await openFileTarget('export', path, false);
    writeFileSync(path, 'of another');
    await expect(written(target)).rejects.toMatchObject({ code: 'ERR_ARCHIVE_WRITE' });
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(readFileSync(path, 'utf8')).toBe('of another');
  });

  test('is refused where its path is a directory, a link or in no directory', async () => {
    const directory = await scope.directory();
    mkdirSync(join(directory, 'a'));
    symlinkSync('/etc/passwd', join(directory, 'b'));
    for (const path of ['a', 'b', 'missing/web.tar']) {
      await expect(openFileTarget('export', join(directory, path), true)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        option: 'export',
      });
    }
    expect(readdirSync(directory).sort()).toEqual(['a', 'b']);
  });

  test('that is given up leaves nothing', async () => {
    const directory = await scope.directory();
    const controller = new AbortController();
    const target = await openFileTarget('export', join(directory, 'web.tar'), false);
    controller.abort(new Error('enough'));
    await expect(written(target, controller.signal)).rejects.toThrow('enough');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('without room for its name in its directory leaves nothing', async () => {
    const directory = await scope.directory();
    const path = join(directory, `${'x'.repeat(260)}.tar`);
    await expect(
      openFileTarget('export', path, false).then((target) => written(target)),
    ).rejects.toMatchObject({ code: 'ERR_ARCHIVE_WRITE' });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('an archive that goes into a stream', () => {
  test('is told of when its reader stops', async () => {
    let taken = 0;
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        taken += chunk.length;
        done(taken > 100_000 ? Object.assign(new Error('closed'), { code: 'EPIPE' }) : null);
      },
    });
    await expect(written(streamTarget(stream))).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
      message: 'Cannot write the stream: its reader has stopped reading',
    });
  });

  test('is told of when it is destroyed', async () => {
    const stream = new Writable({ write: () => stream.destroy() });
    await expect(written(streamTarget(stream))).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
    });
  });

  test('can be given up when its reader reads no more', async () => {
    const controller = new AbortController();
    const stream = new Writable({ write: () => {} });
    const running = written(streamTarget(stream), controller.signal);
    running.catch(() => {});
    await sleep(50);
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(stream.destroyed).toBe(true);
  });
});
