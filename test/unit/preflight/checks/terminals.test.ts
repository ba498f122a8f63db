import { describe, expect, test } from 'vitest';
import { splitDevice } from '../../../../lib/linux/device.js';
import { isTerminal } from '../../../../lib/preflight/checks/terminals.js';

describe('isTerminal', () => {
  test('tells terminals by their device numbers, which splitDevice takes apart', () => {
    expect(splitDevice(0x8803n)).toEqual({ major: 136, minor: 3 });
    expect(splitDevice(0x100503n)).toEqual({ major: 5, minor: 259 });
    const terminals = ['5:0', '5:2', '4:1', '136:7', '128:0', '204:64'];
    const others = ['5:3', '4:64', '1:3', '10:200', '137:0'];
    const is = (text: string): boolean => {
      const [major = 0, minor = 0] = text.split(':').map(Number);
      return isTerminal({ major, minor });
    };
    expect(terminals.filter(is)).toEqual(terminals);
    expect(others.filter(is)).toEqual([]);
  });
});
