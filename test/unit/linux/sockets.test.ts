import { describe, expect, test } from 'vitest';
import { parseInet, parseUnix } from '../../../lib/linux/sockets.js';
import { unixPeers } from '../../../lib/linux/unix-peers.js';

describe('sockets', () => {
  const unix = (...lines: string[]) =>
    parseUnix(
      [
        'Num       RefCount Protocol Flags    Type St Inode Path',
        ...lines.map((line) => {
          const [references, type, state, inode, name] = line.split(' ');
          const path = name === undefined ? '' : ` ${name}`;
          return `000000001edd94cf: 0000000${references} 00000000 00000000 ${type} ${state} ${inode}${path}`;
        }),
      ].join('\n'),
    );
  const of = (sockets: ReturnType<typeof unix>, ...ours: string[]) => {
    const { outside, unclear } = unixPeers(sockets, new Set(ours));
    return [outside, unclear].map((list) => list.map(({ inode }) => inode));
  };

  test('are read with their addresses in both families', () => {
    const head = '  sl  local_address rem_address   st tx_queue rx_queue';
    const rest = '00:00000000 00000000     0        0 4711 1 0 100 0';
    const v4 = `   0: 0100007F:1F90 0200000A:0016 01 00000000:00000000 ${rest}`;
    expect(parseInet([head, v4].join('\n'), 'tcp')).toMatchObject([
      { inode: '4711', state: '01', name: '127.0.0.1:8080 - 10.0.0.2:22', waiting: 0 },
    ]);
    const loopback = '00000000000000000000000001000000';
    const v6 = `   0: ${loopback}:0050 ${'0'.repeat(32)}:0000 0A 00000000:00000003 ${rest}`;
    expect(parseInet([head, v6].join('\n'), 'tcp')).toMatchObject([
      { state: '0A', name: '[::1]:80', waiting: 3 },
    ]);
    const mapped = '0000000000000000FFFF00000100007F';
    const both = `   0: ${mapped}:0050 ${mapped}:0051 01 00000000:00000000 ${rest}`;
    expect(parseInet([head, both].join('\n'), 'tcp')).toMatchObject([
      { name: '127.0.0.1:80 - 127.0.0.1:81' },
    ]);
  });

  test('of a pair are inside with both ends here, outside with one', () => {
    const sockets = unix('3 0001 03 100', '3 0001 03 101', '3 0001 03 200', '3 0001 03 201');
    expect(of(sockets, '100', '101')).toEqual([[], []]);
    expect(of(sockets, '100')).toEqual([['100'], []]);
    expect(of(sockets, '101', '201')).toEqual([['101', '201'], []]);
  });

  test('are no connection when the other end is closed', () => {
    expect(of(unix('2 0001 03 100', '3 0001 03 200', '3 0001 03 201'), '100')).toEqual([[], []]);
  });

  test('of a client and a server are inside together, outside apart', () => {
    const sockets = unix('2 0001 01 50 /s', '3 0001 03 100', '3 0001 03 200 /s');
    expect(of(sockets, '50', '100', '200')).toEqual([[], []]);
    expect(of(sockets, '100')).toEqual([['100'], []]);
    expect(of(sockets, '50', '200')).toEqual([['200'], []]);
    const two = unix('3 0001 03 100', '3 0001 03 200 /s', '3 0001 03 300', '3 0001 03 400 /t');
    expect(of(two, '100', '200')).toEqual([[], ['100', '200']]);
  });

  test('of clients with neighbouring inodes are not taken for a pair', () => {
    const sockets = unix('3 0001 03 100', '3 0001 03 101', '3 0001 03 7 /s', '3 0001 03 9 /s');
    expect(of(sockets, '100', '101')).toEqual([[], ['100', '101']]);
  });

  test('of datagrams are outside when the one they are connected to is', () => {
    expect(of(unix('2 0002 03 100', '3 0002 03 7 /log'), '100')).toEqual([['100'], []]);
    expect(of(unix('2 0002 03 100', '3 0002 03 7 /log'), '100', '7')).toEqual([[], []]);
    expect(of(unix('2 0002 03 100', '2 0002 01 7 /own', '3 0002 03 9 /log'), '100', '7')).toEqual([
      ['100'],
      [],
    ]);
    expect(of(unix('3 0002 03 100', '3 0002 03 101'), '100')).toEqual([['100'], []]);
  });
});
