import { describe, expect, test } from 'vitest';
import { parseInet } from '../../../lib/linux/sockets.js';

describe('sockets', () => {
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

  test('with an address that is none are read all the same', () => {
    const row = '   0: 0100-07F:1F90 xyz:0016 01 00000000:00000000 0 0 0 0 4711 1';
    expect(parseInet(['head', row].join('\n'), 'tcp')).toMatchObject([{ inode: '4711' }]);
  });
});
