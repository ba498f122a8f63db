// @ts-check
// Measures this package against what there is, on this machine: see bench/README.md.
import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { StepError, seconds } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { groups } from './groups.mjs';
import { makeContext } from './lib/context.mjs';
import { catchInterrupts, checkInterrupt, isInterrupted } from './lib/interrupt.mjs';
import { describeMachine } from './lib/machine.mjs';
import { faultsOf } from './lib/result.mjs';
import { withScope } from './lib/scope.mjs';
import { groupText, summaryText } from './report/text.mjs';

const usage = `Usage: npm run bench -- [GROUP...] [options]

Measures libcriu against runc, crun, docker, podman, the criu program and libcriu in C, on this machine,
as root. Each row is shown with its target, whether that holds, and its limit: what it could come to at
best. Without a group all are run but ${groups.flatMap(({ name, onRequest }) => (onRequest ? name : [])).join(' and ')}, in less than nine minutes on two idle cores.

Groups:
${groups.map(({ name, title }) => `  ${name.padEnd(13)}${title}`).join('\n')}

Options:
  --rounds N    rounds of each group (default: ${groups.map(({ name, rounds }) => `${name} ${rounds}`).join(', ')})
  --json FILE   write all samples
  --html FILE   write a page with charts
  --svg FILE    write one chart: the time of a container's checkpoint (needs containers)
  -h, --help    show this
`;

/** @typedef {import('./report/run.mjs').Run} Run */

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      json: { type: 'string' },
      html: { type: 'string' },
      svg: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const names = groups.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new StepError(`Expected one of ${names.join(', ')} but received ${unknown}`);
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new StepError(`Expected a positive integer for --rounds but received ${values.rounds}`);
  }
  const chosen = groups.filter(({ name, onRequest = false }) =>
    positionals.length === 0 ? !onRequest : positionals.includes(name),
  );
  if (values.svg !== undefined && !chosen.some(({ name }) => name === 'containers')) {
    throw new StepError('--svg shows containers, which are not among the groups asked for');
  }
  return { ...values, rounds, chosen };
}

/**
 * Before minutes are spent.
 *
 * @param {readonly (string | undefined)[]} files
 */
function checkWritable(files) {
  for (const file of files) {
    if (file !== undefined) {
      try {
        accessSync(dirname(resolve(file)), constants.W_OK);
      } catch {
        throw new StepError(`${file} cannot be written`);
      }
    }
  }
}

/**
 * A group that cannot be measured here does not take the others' figures with it.
 *
 * @param {import('./lib/result.mjs').Group} group
 * @param {import('./lib/context.mjs').Context} context
 * @param {number} rounds
 * @returns {Promise<import('./lib/result.mjs').Result>}
 */
async function measureGroup(group, context, rounds) {
  try {
    const result = await withScope((scope) => group.run(context, rounds, scope));
    for (const fault of faultsOf(result.targets)) {
      process.exitCode = 1;
      process.stderr.write(` ${fault};`);
    }
    return result;
  } catch (error) {
    checkInterrupt();
    process.exitCode = 1;
    return { charts: [], targets: [], notes: [`not measured: ${messageOf(error)}`] };
  }
}

/**
 * @param {ReturnType<typeof parse>['chosen']} chosen
 * @param {number | undefined} rounds
 * @returns {Promise<Run>}
 */
async function measure(chosen, rounds) {
  return withScope(async (scope) => {
    const context = await makeContext(scope);
    const machine = await describeMachine(context);
    for (const [name, value] of Object.entries(machine)) {
      process.stdout.write(`${name.padEnd(10)} ${value}\n`);
    }
    process.stdout.write('\n');
    /** @type {Run['groups']} */
    const results = [];
    for (const group of chosen) {
      const startedAt = performance.now();
      process.stderr.write(`bench: ${group.name} ...`);
      const result = await measureGroup(group, context, rounds ?? group.rounds);
      process.stderr.write(` ${seconds(startedAt)}\n`);
      process.stdout.write(`${groupText(group.title, result)}\n`);
      results.push({ name: group.name, title: group.title, result });
    }
    const command = ['npm run bench', ...(process.argv.length > 2 ? ['--'] : [])];
    return {
      machine,
      command: [...command, ...process.argv.slice(2)].join(' '),
      date: new Date().toISOString(),
      groups: results,
    };
  });
}

/**
 * @param {Run} run
 * @param {{json?: string | undefined, html?: string | undefined, svg?: string | undefined}} files
 */
async function write(run, { json, html, svg }) {
  if (json !== undefined) {
    const { jsonReport } = await import('./report/json.mjs');
    writeFileSync(json, jsonReport(run));
  }
  if (html !== undefined) {
    const { htmlReport } = await import('./report/html.mjs');
    writeFileSync(html, htmlReport(run));
  }
  const chart = run.groups.find(({ name }) => name === 'containers')?.result.charts[0];
  if (svg !== undefined && chart) {
    const { chartSvg } = await import('./report/chart.mjs');
    writeFileSync(svg, chartSvg(chart));
  }
}

async function main() {
  const { help, chosen, rounds, ...files } = parse();
  if (help) {
    process.stdout.write(usage);
    return;
  }
  checkWritable([files.json, files.html, files.svg]);
  await setUp();
  catchInterrupts();
  const startedAt = performance.now();
  const run = await measure(chosen, rounds);
  process.stdout.write(summaryText(run.groups));
  process.stdout.write(`It took ${seconds(startedAt)}\n`);
  await write(run, files);
}

/** @param {any} error */
function messageOf(error) {
  const isExplained = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  return isExplained ? error.message : error.stack;
}

main().catch((error) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = isInterrupted() ? 130 : 1;
});
