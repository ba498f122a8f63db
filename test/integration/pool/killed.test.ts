import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { CriuError, createPool } from '../../helpers/api.js';
import { savedBySelf } from '../../helpers/criu/self-saved.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { clonePids } from '../../helpers/system/clones-of.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
/** `npm run test:pool` runs for five minutes. */
const seconds = Number(process.env['LIBCRIU_POOL_SECONDS'] ?? 4);
const signals = ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const;

const random = (below: number): number => Math.floor(Math.random() * below);

test(
  'clones are killed under load: each request is answered or rejected with a code, and none runs twice',
  async () => {
    const file = join(await scope.directory(), 'ran');
    writeFileSync(file, '');
    const snapshot = await savedBySelf(scope, 'pool-program.mjs');
    await (await createPool(snapshot, { size: 1 })).close();
    const before = await settledHoldings([], hasSpare);
    const pool = await createPool(snapshot, {
      size: 3,
      max: 4,
      maxUses: 100,
      healthTimeoutMs: 2_000,
    });
    scope.defer(() => pool.close());
    const end = performance.now() + seconds * 1000;
    const isOver = (): boolean => performance.now() > end;
    let [asked, kills] = [0, 0];
    const answered = new Set<number>();
    const codes = new Map<string, number>();

    const ask = async (): Promise<void> => {
      const id = asked++;
      try {
        expect(await pool.run(['record', { file, id }])).toBe(id);
        answered.add(id);
      } catch (error) {
        if (!(error instanceof CriuError)) throw error;
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
      }
    };
    const client = async (): Promise<void> => {
      while (!isOver()) await ask();
    };
    const killer = async (): Promise<void> => {
      while (!isOver()) {
        await sleep(20 + random(200));
        const pids = clonePids();
        const pid = pids[random(pids.length)];
        if (pid === undefined) continue;
        kills++;
        try {
          process.kill(pid, signals[random(signals.length)]);
        } catch {
          // It has ended meanwhile.
        }
      }
    };
    await Promise.all([killer(), ...Array.from({ length: 12 }, client)]);

    const metrics = pool.metrics();
    await pool.close();
    const rejected = [...codes.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      `${asked} requests, ${answered.size} answered, ${kills} kills, ${JSON.stringify([...codes])}, ${JSON.stringify(metrics)}`,
    );
    expect(answered.size + rejected).toBe(asked);
    expect(answered.size).toBeGreaterThan(0);
    expect(metrics.ends.died).toBeGreaterThan(0);
    const ran = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    expect(new Set(ran).size).toBe(ran.length);
    const times = new Set(ran);
    expect([...answered].filter((id) => !times.has(id))).toEqual([]);
    await assertNoLeak(before);
  },
  (seconds + 60) * 1000,
);
