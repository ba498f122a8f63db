import { join } from 'node:path';
import { readFile } from '../base/files.js';
import type { JournalStream } from '../linux/journal.js';

/** The name of the file that says which sockets of the images were connected to the journal. */
const journalName = 'libcriu-journal.json';

/** A socket of saved tasks that was connected to the journal. */
export interface SavedStream extends JournalStream {
  /** Its inode, by which CRIU and the images know it. */
  inode: string;
}

/** The file that says which they are: [name, content]. */
export function journalFile(streams: readonly SavedStream[]): readonly [string, string] {
  return [journalName, `${JSON.stringify({ streams })}\n`];
}

/** The sockets of images that were connected to the journal; none where nothing of ours says so. */
export async function readStreams(directory: string): Promise<SavedStream[]> {
  try {
    const text = await readFile(join(directory, journalName), 'utf8');
    const { streams } = JSON.parse(text) as { streams?: unknown };
    return Array.isArray(streams) ? streams.filter(isStream) : [];
  } catch {
    return [];
  }
}

function isStream(value: unknown): value is SavedStream {
  const { inode, identifier, unit } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof inode === 'string' &&
    /^\d+$/.test(inode) &&
    typeof identifier === 'string' &&
    typeof unit === 'string'
  );
}
