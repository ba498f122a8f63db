import { spawn } from 'node:child_process';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { criuBinary, protoDirectory } from '../paths.js';
import type { Scope } from '../scope.js';

/** A criu that is the real one under strace: what it receives on its socket is written down. */
export interface TracedCriu {
  /** A directory for the front of PATH, with a `criu` in it. */
  directory: string;
  binary: string;
  /** The requests that it received since, in order, but for the acknowledged notifications. */
  requests(): Promise<CriuRequest[]>;
}

/** One decoded request; a field that occurs more than once, or could, is a list. */
export interface CriuRequest {
  type: string;
  opts: Record<string, FieldValue[]>;
}

export type FieldValue = string | { [name: string]: FieldValue[] };

/** Undoes strace's `-xx`. */
function bytes(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

async function decode(message: Buffer): Promise<string> {
  const args = ['--decode=criu_req', '-I', protoDirectory, 'rpc.proto'];
  const child = spawn('protoc', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(message);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`protoc could not decode ${message.toString('hex')}`);
  return text;
}

/** protobuf's text format: `name: value` and `name { ... }`. */
function parse(lines: string[]): Record<string, FieldValue[]> {
  const fields: Record<string, FieldValue[]> = {};
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const text = line.trim();
    if (text === '}') break;
    const open = /^(\w+) \{$/.exec(text);
    const scalar = /^(\w+): (.*)$/.exec(text);
    const name = open?.[1] ?? scalar?.[1];
    if (name === undefined) continue;
    const value = open ? parse(lines) : (scalar?.[2] ?? '').replace(/^"(.*)"$/, '$1');
    const values = fields[name] ?? [];
    values.push(value);
    fields[name] = values;
  }
  return fields;
}

export async function traceCriu(scope: Scope): Promise<TracedCriu> {
  const directory = await scope.directory();
  const binary = join(directory, 'criu');
  // -D keeps criu the child of whoever starts it. Only the socket is read with recvfrom.
  await writeFile(
    binary,
    `#!/bin/sh
# Stands for a program that is linked with libnftables.so, as the real one is.
exec strace -D -qq -tt -o "${directory}/trace.$$" -e trace=recvfrom -e signal=none -xx -s 100000 \\
  "${criuBinary}" "$@"
`,
  );
  await chmod(binary, 0o755);
  return {
    directory,
    binary,
    async requests() {
      const received: { time: string; message: Buffer }[] = [];
      for (const name of await readdir(directory)) {
        if (!name.startsWith('trace.')) continue;
        const trace = await readFile(join(directory, name), 'utf8');
        for (const match of trace.matchAll(
          /^(\S+) recvfrom\(\d+, "((?:\\x..)+)", (\d+), MSG_TRUNC/gm,
        )) {
          received.push({ time: match[1] ?? '', message: bytes(match[2] ?? '') });
        }
      }
      const requests: CriuRequest[] = [];
      for (const { message } of received.sort((a, b) => (a.time < b.time ? -1 : 1))) {
        const fields = parse((await decode(message)).split('\n'));
        const type = String(fields['type']?.[0]);
        if (type === 'NOTIFY') continue;
        const opts = fields['opts']?.[0];
        requests.push({ type, opts: typeof opts === 'object' ? opts : {} });
      }
      return requests;
    },
  };
}
