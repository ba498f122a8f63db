import { join } from 'node:path';
import { runOk } from '../helpers/exec.js';

const sources = join(import.meta.dirname, 'programs');

/** Compiles one of `programs/` into a directory, and gives its path. */
export async function compile(name: 'fail' | 'fake_criu', directory: string): Promise<string> {
  const [source, output, compiler, flags] =
    name === 'fail'
      ? ['fail.cc', 'fail.so', 'g++', ['-std=c++20', '-shared', '-fPIC']]
      : ['fake_criu.c', 'criu', 'gcc', []];
  const path = join(directory, output);
  await runOk(compiler, ['-O2', '-Wall', ...flags, '-o', path, join(sources, source), '-ldl']);
  return path;
}
