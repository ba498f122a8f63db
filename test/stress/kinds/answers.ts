import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { prefix } from '../../helpers/paths.js';
import { sleep } from '../../helpers/system/exec.js';
import { type Bench, continueAll, looksComplete } from '../bench.js';
import type { Kind } from '../kind.js';
import { compile } from '../programs.js';
import { boundMs, isOurCode, type Trial } from '../trial.js';

/** What `programs/fake_criu.c` can do. */
const modes = [
  'noise',
  'truncated',
  'empty',
  'doubled',
  'success-doubled',
  'success-without-images',
  'failure-then-success',
  'other-type',
  'unknown-type',
  'no-type',
  'wire-types',
  'long-varint',
  'giant',
  'odd-notifications',
  'a-descriptor',
  'descriptors',
  'flood',
  'prints',
  'errno',
  'never',
  'never-after-notification',
  'never-after-post-dump',
  'answers-and-stays',
  'closes-and-stays',
  'sends-without-reading',
  'exits',
  'exits-after-notification',
] as const;

const timeoutMs = 500;

async function answered(
  bench: Bench,
  binary: string,
  mode: string,
  bounded: boolean,
): Promise<Trial> {
  writeFileSync(`${binary}.mode`, mode);
  const target = await bench.target('isolated');
  const subject = await bench.subject();
  const imagePath = bench.path('images');
  const trial: Trial = {
    fault: `a criu that answers "${mode}"${bounded ? ', with timeoutMs' : ''}`,
    losses: [],
    leaks: [],
    beyond: [],
    endMs: 0,
  };
  const start = performance.now();
  const running = subject.perform({
    call: 'dump',
    target: target.key,
    options: {
      leaveRunning: true,
      imagePath,
      ...target.options,
      ...(bounded ? { timeoutMs } : {}),
    },
    criu: { binary, library: join(prefix, 'lib/libcriu.so.2'), workers: 0 },
  });
  const limit = bounded ? timeoutMs + boundMs : 5_000;
  const settled = await Promise.race([
    running.settled,
    sleep(limit).then(() => 'pending' as const),
  ]);
  trial.endMs = Math.max(0, performance.now() - start - (bounded ? timeoutMs : 0));
  const isLively = await subject.answers(500);
  if (settled === 'pending') {
    trial.losses.push(
      bounded ? 'the call is pending after timeoutMs and 2 s' : 'the call is pending after 5 s',
    );
  } else if (settled === undefined) {
    trial.losses.push(`the process has ended by it: ${subject.end}`);
  } else if (settled.ok) {
    trial.losses.push(`success${looksComplete(imagePath) ? '' : ' without images'}`);
  } else if (!isOurCode(settled.error?.code)) {
    trial.losses.push(`an error without a code of ours: ${settled.error?.message}`);
  }
  if (!isLively && subject.end === undefined) trial.losses.push('the event loop stands still');
  const { damages, gone } = await target.examine(300);
  trial.losses.push(...damages, ...(gone ? ['the tasks are gone'] : []));
  trial.losses.push(...subject.strays.splice(0));
  if (settled === 'pending') {
    continueAll(subject.crius);
    await bench.replaceSubject();
  } else {
    trial.leaks.push(...(await bench.leaks()));
    if (trial.leaks.length > 0) await bench.replaceSubject();
  }
  if (damages.length > 0 || gone) await bench.drop(target);
  await rm(imagePath, { recursive: true, force: true });
  return trial;
}

/** Silence is nobody's fault without a limit: CRIU may have much to do. */
const mayLast = /^(never|sends-without|answers-and-stays|closes-and-stays)/;

export const answersKind: Kind = {
  name: 'answers',
  what: 'responses truncated, of another type, doubled, with descriptors, never',
  async *run(bench) {
    const binary = await compile('fakeCriu', bench.directory);
    for (const mode of modes) {
      yield await answered(bench, binary, mode, true);
      if (!mayLast.test(mode)) yield await answered(bench, binary, mode, false);
    }
  },
};
