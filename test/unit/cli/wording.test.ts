import { describe, expect, test } from 'vitest';
import { inFlags } from '../../../lib/cli/wording.js';

describe('sentences of the API in the words of the command', () => {
  test.each([
    [
      "The directory of imagePath /a/imagePath/b is not empty; give a fresh one, or existing: 'replace'",
      'The directory of --image-path /a/imagePath/b is not empty; give a fresh one, or --existing replace',
    ],
    [
      "Expected the path of a directory relative to imagePath for parentPath but received 'imagePath' of type string: it is missing",
      "Expected the path of a directory relative to --image-path for --parent-path but received 'imagePath': it is missing",
    ],
    [
      "Expected a string for external[12] but received 'external' of type string",
      "Expected a string for --external but received 'external'",
    ],
    [
      'Expected an absolute path for cgRoots[0].path but received 7 of type number',
      'Expected an absolute path for --cgroup-root but received 7',
    ],
    [
      "Expected a container id for id but received '..' of type string",
      "Expected a container id for <container-id> but received '..'",
    ],
    ["CRIU's external mount at the root's freezer", "CRIU's external mount at the root's freezer"],
    ["CRIU's log and runc's preDump", "CRIU's log and runc's --pre-dump"],
    ['timeoutMs 100 is over', '--timeout-ms 100 is over'],
    [
      'Cannot write to workPath "/a workPath b" (EACCES)',
      'Cannot write to --work-path "/a workPath b" (EACCES)',
    ],
  ])('%s', (sentence, expected) => {
    expect(inFlags(sentence)).toBe(expected);
  });
});
