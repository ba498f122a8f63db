import { describe, expect, test } from 'vitest';
import type { UnixSocket } from '../../../../lib/linux/unix-sockets.js';
import { judgeUnix } from '../../../../lib/preflight/checks/unix.js';

/** A socket without a connection, unless it is given one. */
function socket(inode: string, more: Partial<UnixSocket> = {}): UnixSocket {
  return {
    inode,
    type: 'stream',
    state: more.peer === undefined ? 'idle' : 'connected',
    peer: undefined,
    name: '',
    waiting: [],
    hasUnread: false,
    isUnread: false,
    isShutDown: false,
    ...more,
  };
}

/** What is made of the first one, when it and these are the tree's. */
function judge(sockets: readonly [UnixSocket, ...UnixSocket[]], ...ours: string[]) {
  const all = new Map(sockets.map((one) => [one.inode, one]));
  return judgeUnix(sockets[0], { all, ours: new Set([sockets[0].inode, ...ours]) });
}

describe('a unix socket', () => {
  const pair = [socket('1', { peer: '2' }), socket('2', { peer: '1' })] as const;

  test('of a pair is saved with both ends, and not with one', () => {
    expect(judge(pair, '2')).toBe('saved');
    expect(judge(pair)).toBe('outside');
  });

  test('of a pair whose inodes do not follow one another is judged alike', () => {
    const far = [socket('1', { peer: '900' }), socket('900', { peer: '1' })] as const;
    expect(judge(far, '900')).toBe('saved');
    expect(judge(far)).toBe('outside');
  });

  test('that was accepted by somebody outside is half a connection, with a name or without', () => {
    const named = socket('2', { peer: '1', name: '/run/s' });
    expect(judge([socket('1', { peer: '2' }), named])).toBe('outside');
    expect(judge([named, socket('1', { peer: '2' })])).toBe('outside');
  });

  test('to the journal of systemd is told apart, unless that is in the tree', () => {
    const theirs = socket('2', { peer: '1', name: '/run/systemd/journal/stdout' });
    expect(judge([socket('1', { peer: '2' }), theirs])).toBe('journal');
    expect(judge([socket('1', { peer: '2' }), theirs], '2')).toBe('saved');
    const another = { ...theirs, name: '/run/systemd/journal/socket' };
    expect(judge([socket('1', { peer: '2' }), another])).toBe('outside');
  });

  test('for datagrams to somebody outside can be connected again by his name', () => {
    const type = 'datagram';
    const log = socket('2', { type, name: '/dev/log' });
    expect(judge([socket('1', { type, peer: '2' }), log])).toBe('outside-name');
    expect(judge([socket('1', { type, peer: '2' }), log], '2')).toBe('saved');
    expect(judge([log])).toBe('saved');
    const nameless = socket('2', { type, peer: '1' });
    expect(judge([socket('1', { type, peer: '2' }), nameless])).toBe('outside');
  });

  test.each(['stream', 'packets'] as const)('whose other end is closed is saved: %s', (type) => {
    expect(judge([socket('1', { type, state: 'connected', isShutDown: true })])).toBe('saved');
  });

  test('whose other end is nowhere to be found is not saved', () => {
    expect(judge([socket('1', { peer: '7' })])).toBe('unreachable');
    expect(judge([socket('1', { state: 'connected' })])).toBe('unreachable');
    const type = 'datagram';
    const led = socket('2', { type, peer: '3' });
    const sink = socket('3', { type, name: '@sink' });
    expect(judge([socket('1', { type, peer: '2' }), led, sink], '2', '3')).toBe('unreachable');
  });

  describe('that nobody has accepted', () => {
    const waiting = (more: Partial<UnixSocket> = {}) =>
      socket('1', { state: 'connected', ...more });
    const listener = socket('2', { state: 'listening', name: '/run/s', waiting: ['1'] });

    test('is saved with the one that listens', () => {
      expect(judge([waiting(), listener], '2')).toBe('saved');
      expect(judge([listener, waiting()], '1')).toBe('saved');
    });

    test('is not saved with what it has sent', () => {
      expect(judge([waiting({ hasUnread: true }), listener], '2')).toBe('waiting-with-data');
      expect(judge([waiting({ hasUnread: true }), listener])).toBe('waiting-with-data');
    });

    test('is not saved once it is closed', () => {
      const left = { ...listener, waiting: ['5', undefined] };
      expect(judge([left])).toBe('closed-while-waiting');
    });

    test('is told apart when it is somebody outside who listens', () => {
      expect(judge([waiting(), listener])).toBe('waiting-outside');
    });
  });
});
