import { access, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { projectRoot } from '../paths.js';
import { runOk } from './exec.js';

/** Exact ones: the same test today and tomorrow. */
const versions = { 22: '22.23.3', 24: '24.21.0' };

/** The releases of Node.js that the package is for. */
export const nodeMajors = [20, 22, 24] as const;

/** The program of a release; one that is not ours is fetched by npm, once. */
export async function nodeProgram(major: (typeof nodeMajors)[number]): Promise<string> {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath;
  if (major === 20) throw new Error('the tests are to be run with Node.js 20');
  const name = `node-linux-${process.arch}`;
  const directory = resolve(projectRoot, 'node_modules/.cache/libcriu-test', `node-${major}`);
  const program = resolve(directory, 'node_modules', name, 'bin/node');
  try {
    await access(program);
  } catch {
    await mkdir(directory, { recursive: true });
    const flags = [
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--prefix',
      directory,
    ];
    await runOk('npm', ['install', ...flags, `${name}@${versions[major]}`], {
      cwd: directory,
      timeoutMs: 240_000,
    });
  }
  return program;
}
