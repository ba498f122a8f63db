// @ts-check
// Shows the pages of checkpoints as a browser does.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../tools/paths.mjs';
import { findCommand, StepError } from '../tools/process.mjs';

const usage = 'Usage: npm run screenshots -- DIR CHECKPOINT...';
const sizes = [
  ['wide', '1120,1500'],
  ['narrow', '480,1500'],
];

function main() {
  const [to, ...checkpoints] = process.argv.slice(2);
  if (to === undefined || checkpoints.length === 0) throw new StepError(usage);
  const chromium = findCommand('chromium');
  if (chromium === undefined) {
    throw new StepError("there is no Chromium on this machine. Install Debian's chromium");
  }
  mkdirSync(to, { recursive: true });
  for (const checkpoint of checkpoints) {
    const name = join(resolve(to), basename(checkpoint));
    const page = `${name}.html`;
    execFileSync(process.execPath, [
      join(root, 'dist/cli/main.js'),
      'inspect',
      '--html',
      page,
      checkpoint,
    ]);
    for (const [width, size] of sizes) {
      const options = ['--headless', '--disable-gpu', '--hide-scrollbars', `--window-size=${size}`];
      // Chromium has no sandbox for root.
      if (process.geteuid?.() === 0) options.push('--no-sandbox');
      const image = `${name}-${width}.png`;
      execFileSync(chromium, [...options, `--screenshot=${image}`, pathToFileURL(page).href], {
        stdio: 'ignore',
        timeout: 60_000,
      });
      process.stdout.write(`${image}\n`);
    }
  }
}

try {
  main();
} catch (error) {
  process.stderr.write(`screenshots: ${error instanceof StepError ? error.message : error}\n`);
  process.exitCode = 1;
}
