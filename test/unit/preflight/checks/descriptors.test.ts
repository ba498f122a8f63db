import { expect, test } from 'vitest';
import { noteHolder } from '../../../../lib/preflight/checks/descriptors.js';

test.each([
  [
    [
      { pid: 7, fd: 1 },
      { pid: 7, fd: 2 },
      { pid: 9, fd: 0 },
    ],
  ],
  [
    [
      { pid: 7, fd: 2 },
      { pid: 9, fd: 0 },
      { pid: 7, fd: 1 },
    ],
  ],
  [
    [
      { pid: 9, fd: 0 },
      { pid: 7, fd: 1 },
      { pid: 7, fd: 2 },
    ],
  ],
])('of a socket the first descriptor is told, in whichever order they are read: %j', (holders) => {
  const sockets = new Map<string, { pid: number; fd: number }>([['5', { pid: 1, fd: 3 }]]);
  for (const holder of holders) noteHolder(sockets, '4', holder);
  expect([...sockets]).toEqual([
    ['5', { pid: 1, fd: 3 }],
    ['4', { pid: 7, fd: 1 }],
  ]);
});
