import { CriuError } from '../base/errors.js';
import { type Sentence, sentence, textOf } from '../base/sentence.js';
import { shownPath } from '../linux/paths.js';

/** What is wrong with an archive, as somebody tells it who does not know the archive's name. */
class ArchiveFault extends Error {
  readonly why: Sentence;

  constructor(why: Sentence) {
    super(textOf(why));
    this.why = why;
  }
}

/** Refuses an archive. */
export function refuseArchive(why: Sentence): never {
  throw new ArchiveFault(why);
}

/** Refuses an archive that ends before it is complete. */
export function refuseCutShort(): never {
  refuseArchive('it is cut short');
}

/** Refuses a member of an archive by its name, one character for each byte. */
export function refuseMember(name: string, why: Sentence): never {
  const shown = shownPath(Buffer.from(name, 'latin1').toString('utf8'));
  const short = shown.length > 200 ? `${shown.slice(0, 200)}...` : shown;
  refuseArchive(sentence`its member "${short}" ${why}`);
}

/**
 * Runs what reads an archive, so that its faults are told with the archive's name.
 *
 * @param path - The archive as it was asked for.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE`
 */
export async function readingArchive<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ArchiveFault)) throw error;
    throw new CriuError(
      'ERR_CHECKPOINT_ARCHIVE',
      sentence`Cannot use the checkpoint ${shownPath(path)}: ${error.why}`,
      { cause: error.cause },
    );
  }
}
