import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../lib/criu/run.js';
import type { Keep, Outputs } from '../../../lib/images/outputs.js';
import type { MemoryTracking } from '../../../lib/images/tracking.js';
import { settle, whatToKeep } from '../../../lib/process/dump-verdict.js';

const pid = 4711;

/** An outcome with these notifications of CRIU. */
function outcome(names: readonly string[], rest: { success?: boolean; replied: boolean }) {
  return {
    success: false,
    ...rest,
    events: names.map((name) => ({ name, at: 0, answered: 0, pid })),
  };
}

describe('whatToKeep', () => {
  test.each<[string, ReturnType<typeof outcome>, 'there' | 'gone', Keep]>([
    ['a success', outcome(['post-dump'], { success: true, replied: true }), 'gone', 'images'],
    [
      'a success that left it running',
      outcome([], { success: true, replied: true }),
      'there',
      'images',
    ],
    ['a refusal', outcome(['pre-dump'], { replied: true }), 'there', 'log'],
    [
      'a failure after the images were complete',
      outcome(['post-dump'], { replied: true }),
      'there',
      'log',
    ],
    [
      'a failure told of a tree that is gone',
      outcome(['post-dump'], { replied: true }),
      'gone',
      'log',
    ],
    [
      'a death before the images were complete',
      outcome(['pre-dump'], { replied: false }),
      'there',
      'log',
    ],
    [
      'a death together with the tree, without images',
      outcome([], { replied: false }),
      'gone',
      'log',
    ],
    ['a death that left the tree', outcome(['post-dump'], { replied: false }), 'there', 'log'],
    [
      'a death with the tree killed and the images complete',
      outcome(['pre-dump', 'post-dump', 'network-unlock'], { replied: false }),
      'gone',
      'rescue',
    ],
  ])('after %s', (_what, ended, tree, keep) => {
    const isThere = (asked: number): boolean => {
      expect(asked).toBe(pid);
      return tree === 'there';
    };
    expect(whatToKeep(ended, pid, isThere)).toBe(keep);
  });

  test('looks for the process itself', () => {
    const death = outcome(['post-dump'], { replied: false });
    expect(whatToKeep(death, process.pid)).toBe('log');
    expect(whatToKeep(death, 0x7fff_ffff)).toBe('rescue');
  });
});

describe('settle', () => {
  /** Directories and tracking that note what is done with them. */
  function recorded(failing?: string) {
    const steps: string[] = [];
    const step = async (name: string): Promise<void> => {
      steps.push(name);
      if (name === failing) throw new Error(`${name} fails`);
    };
    const outputs = {
      openLogFile: 'dump.log',
      settle: (keep: Keep) => step(`keep ${keep}`),
    } as Outputs;
    const tracking = {
      succeed: () => step('tracked'),
      fail: (log: string) => step(`not tracked, as ${log} tells`),
    } as MemoryTracking;
    return { steps, outputs, tracking };
  }

  test('keeps the images of a success and gives the outcome', async () => {
    const { steps, outputs, tracking } = recorded();
    const succeeded = { success: true } as Outcome;
    const settled = settle({ keep: 'images', outcome: succeeded }, outputs, tracking);
    expect(await settled).toBe(succeeded);
    expect(steps).toEqual(['tracked', 'keep images']);
  });

  test.each(['log', 'rescue', 'nothing'] as const)(
    'keeps %s and throws the error',
    async (keep) => {
      const { steps, outputs, tracking } = recorded();
      const error = new Error('CRIU failed');
      await expect(settle({ keep, error }, outputs, tracking)).rejects.toBe(error);
      expect(steps).toEqual(['not tracked, as dump.log tells', `keep ${keep}`]);
    },
  );

  test('does not remove images that could not take their place', async () => {
    const { steps, outputs } = recorded('keep images');
    const verdict = { keep: 'images', outcome: {} as Outcome } as const;
    await expect(settle(verdict, outputs, undefined)).rejects.toThrow('keep images fails');
    expect(steps).toEqual(['keep images']);
  });
});
