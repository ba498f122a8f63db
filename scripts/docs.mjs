// @ts-check
// The site of the documentation: the pages of docs/ and a reference made of the types. Its tools have a
// package of their own, docs/package.json, so that nobody who only uses or builds the package gets them.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withLock } from '../tools/lock.mjs';
import { installModules, modulesAreCurrent } from '../tools/modules.mjs';
import { root } from '../tools/paths.mjs';
import { run, StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

const usage = `Usage: npm run docs [-- --serve]

Builds the site into docs/.vitepress/dist and follows all of its links.

  --serve   show it on a port of this machine instead, and follow what is changed
`;

const docs = join(root, 'docs');
const site = join(docs, '.vitepress/dist');

/** @param {string} name @param {readonly string[]} args */
const tool = (name, ...args) => run(join(docs, 'node_modules/.bin', name), args, { cwd: docs });

async function main() {
  const { values } = parseArgs({
    options: { serve: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  await setUp();
  await withLock(async () => {
    if (!modulesAreCurrent(docs)) await installModules(docs);
  });
  // A page of a type that is gone would stay.
  rmSync(join(docs, 'api'), { recursive: true, force: true });
  await tool('typedoc', '--logLevel', 'Warn');
  if (values.serve) {
    await tool('vitepress', 'dev');
    return;
  }
  // This fails for a link to a page that is not there, and the next one for an anchor, too.
  await tool('vitepress', 'build', '--logLevel', 'warn');
  await tool('check-html-links', site);
  if (!existsSync(join(site, 'index.html'))) throw new StepError('the site has no first page');
}

main().catch((error) => {
  process.stderr.write(`docs: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
