import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dump, explain, restore } from '../../helpers/api.js';
import { startBoth } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
let task: { pid: number };
let directory = '';
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));
beforeEach(async () => {
  directory = await scope.directory();
  task = await startWorkload(scope, ['idle']);
});

const at = (name: string): string => join(directory, name);

/** A dump under a configuration file with these lines. */
function dumpUnder(lines: readonly string[], more = {}) {
  writeFileSync(at('criu.conf'), `${lines.join('\n')}\n`);
  return dump(task.pid, {
    imagePath: at('images'),
    configFile: at('criu.conf'),
    leaveRunning: true,
    ...more,
  });
}

describe('a configuration file that makes another request of a dump', () => {
  test.each(['images-dir /tmp/libcriu-elsewhere', 'leave-stopped', 'lazy-pages', 'nonsense'])(
    'is refused before anything is touched, and foreseen: %s',
    async (line) => {
      const error = await failureOf(dumpUnder(['tcp-established', line], { leaveRunning: false }));
      expect(error).toMatchObject({ code: 'ERR_CRIU_CONFIG', operation: 'dump' });
      expect(error.message).toContain(at('criu.conf'));
      expect(readdirSync(directory)).toEqual(['criu.conf']);
      expect(isAlive(task.pid)).toBe(true);
      const findings = await explain(task.pid, { configFile: at('criu.conf') });
      expect(findings).toContainEqual(
        expect.objectContaining({ code: 'criu-config', message: error.message }),
      );
    },
  );

  test("is refused among CRIU's own files, too", async () => {
    writeFileSync(at('own.conf'), 'leave-running\n');
    process.env['CRIU_CONFIG_FILE'] = at('own.conf');
    scope.defer(() => {
      delete process.env['CRIU_CONFIG_FILE'];
    });
    const error = await failureOf(dump(task.pid, { imagePath: at('images') }));
    expect(error).toMatchObject({ code: 'ERR_CRIU_CONFIG' });
    expect(error.message).toContain(at('own.conf'));
    expect(await failureOf(restore(at('images')))).toMatchObject({ code: 'ERR_CRIU_CONFIG' });
    expect(isAlive(task.pid)).toBe(true);
  });
});

describe("CRIU's own configuration files", () => {
  test('are obeyed, each one, by a criu that does not look for them', async () => {
    const lock = await startWorkload(scope, ['lock', at('locked')]);
    process.env['CRIU_CONFIG_FILE'] = at('own.conf');
    scope.defer(() => {
      delete process.env['CRIU_CONFIG_FILE'];
    });
    const images = { imagePath: at('images'), leaveRunning: true };
    expect(await failureOf(dump(lock.pid, images))).toMatchObject({ code: 'ERR_CRIU_FAILED' });
    writeFileSync(at('own.conf'), 'file-locks\n');
    await dump(lock.pid, { ...images, imagePath: at('more') });
    expect(readdirSync(at('more'))).toContain('filelocks.img');
  });
});

describe('a configuration file that names another log', () => {
  test('has the result tell of that one', async () => {
    const { logFile } = await dumpUnder(['log-file mine.log']);
    expect(logFile).toBe(at('images/mine.log'));
    expect(readFileSync(logFile, 'utf8')).toContain('Dumping finished successfully');
    expect(existsSync(at('images/dump.log'))).toBe(false);
  });

  test('also outside of the directory of the images', async () => {
    const { logFile } = await dumpUnder([`log-file ${at('outer.log')}`]);
    expect(logFile).toBe(at('outer.log'));
    expect(readFileSync(logFile, 'utf8')).toContain('Dumping finished successfully');
  });

  test.each([
    ['mine.log', 'images/mine.log'],
    ['outer.log', 'outer.log'],
  ])('has an error quote it: %s', async (name, place) => {
    const logName = name === place ? at(name) : name;
    const { bad } = await startBoth(scope);
    task = { pid: bad };
    const error = await failureOf(dumpUnder([`log-file ${logName}`]));
    expect(error.logFile).toBe(at(place));
    expect(error.log.length).toBeGreaterThan(0);
    expect(readFileSync(at(place), 'utf8')).toContain(error.log.at(-1)?.slice(0, 20));
    expect(isAlive(task.pid)).toBe(true);
  });
});
