import { expect, test } from 'vitest';
import { dumpHooks, restoreHooks } from '../../../lib/criu/hooks.js';
import { stageOf } from '../../../lib/criu/stage.js';

test("CRIU's notifications are called as their hooks", () => {
  for (const { scripts } of [dumpHooks, restoreHooks]) {
    for (const [hook, script] of Object.entries(scripts)) expect(stageOf(script)).toBe(hook);
  }
  expect(stageOf('query-ext-files')).toBe('queryExtFiles');
});

test.each(['queued', 'directory', 'library', 'listen', 'spawn', 'request', 'freeze'] as const)(
  'the stage %s of the addon keeps its name',
  (name) => {
    expect(stageOf(name)).toBe(name);
  },
);

test('what has no name of ours is in the request', () => {
  expect(stageOf('pre-stream')).toBe('request');
});
