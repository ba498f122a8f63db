// @ts-check
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, tool } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';

// Without `erasable_syntax` the enums would be TypeScript's, which our tsconfig refuses.
const parameters = 'target=ts,import_extension=js,erasable_syntax=true';

/** The text of lib/images/proto/stats_pb.ts, which protoc makes of proto/stats.proto. */
export async function renderStatsCode() {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-proto-'));
  try {
    await run(
      'protoc',
      [
        `--proto_path=${join(root, 'proto')}`,
        `--plugin=protoc-gen-es=${tool('protoc-gen-es')}`,
        `--es_out=${directory}`,
        `--es_opt=${parameters}`,
        'stats.proto',
      ],
      { cwd: root },
    );
    return readFileSync(join(directory, 'stats_pb.ts'), 'utf8');
  } finally {
    rmSync(directory, { recursive: true });
  }
}
