import type { Command } from './command.js';
import { checkpointCommand } from './commands/checkpoint.js';
import { completionCommand } from './commands/completion.js';
import { decodeCommand } from './commands/decode.js';
import { diffCommand } from './commands/diff.js';
import { doctorCommand } from './commands/doctor.js';
import { dumpCommand } from './commands/dump.js';
import { encodeCommand } from './commands/encode.js';
import { explainCommand } from './commands/explain.js';
import { exportCommand } from './commands/export.js';
import { importCommand } from './commands/import.js';
import { inspectCommand } from './commands/inspect.js';
import { iterateCommand } from './commands/iterate.js';
import { lazyPagesCommand } from './commands/lazy-pages.js';
import { listCommand } from './commands/list.js';
import { memoryCommand } from './commands/memory.js';
import { pageServerCommand } from './commands/page-server.js';
import { preDumpCommand } from './commands/pre-dump.js';
import { restoreCommand } from './commands/restore.js';
import { runCommand } from './commands/run.js';
import { setupCommand } from './commands/setup.js';

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  checkpointCommand,
  dumpCommand,
  preDumpCommand,
  iterateCommand,
  explainCommand,
  doctorCommand,
  listCommand,
  exportCommand,
  importCommand,
  inspectCommand,
  runCommand,
  restoreCommand,
  pageServerCommand,
  lazyPagesCommand,
  diffCommand,
  memoryCommand,
  decodeCommand,
  encodeCommand,
  setupCommand,
  completionCommand,
];
