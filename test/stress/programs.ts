import { join } from 'node:path';
import { runOk } from '../helpers/system/exec.js';

const sources = join(import.meta.dirname, 'programs');

const programs = {
  fail: { source: 'fail.cc', output: 'fail.so' },
  fakeCriu: { source: 'fake_criu.c', output: 'criu' },
  mallocUse: { source: 'malloc_use.c', output: 'malloc_use.so' },
} as const;

/** Compiles one of `programs/` into a directory, and gives its path. */
export async function compile(name: keyof typeof programs, directory: string): Promise<string> {
  const { source, output } = programs[name];
  const path = join(directory, output);
  const compiler = source.endsWith('.cc') ? ['g++', '-std=c++20'] : ['gcc'];
  const [program = '', ...language] = compiler;
  const kind = output.endsWith('.so') ? ['-shared', '-fPIC'] : [];
  const flags = [...language, ...kind, '-O2', '-Wall', '-Wextra', '-pthread'];
  await runOk(program, [...flags, '-o', path, join(sources, source), '-ldl']);
  return path;
}
