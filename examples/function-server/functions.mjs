// @ts-check
// The program of the clones: it loads what all functions need, says how a request is answered, and saves
// itself. Run by `libcriu run --snapshot`, which says where to.
import { createHash } from 'node:crypto';
import { checkpointSelf, onTask } from 'libcriu';

/** What takes long to load: each clone has it from its first request on. */
const table = Array.from({ length: 200_000 }, (_, index) =>
  createHash('sha256').update(String(index)).digest('hex'),
);

/** How many requests this clone has answered. */
let uses = 0;

/** @type {Readonly<Record<string, (query: URLSearchParams) => unknown>>} */
const functions = {
  '/hash': (query) => table[Number(query.get('of') ?? 0)],
  '/life': () => ({ pid: process.pid, uses }),
  '/fail': () => {
    throw new Error('This function fails');
  },
  '/exit': () => process.exit(1),
};

onTask((task) => {
  const { path, query } = /** @type {{ path: string, query: string }} */ (task);
  uses++;
  const answer = functions[path];
  if (answer === undefined) return { status: 404, body: `There is no function ${path}` };
  return { status: 200, body: answer(new URLSearchParams(query)) };
});

await checkpointSelf();
