import { describe, expect, test } from 'vitest';
import { optionsOf } from '../../../lib/options/calls.js';
import { optionTable } from '../../../lib/options/table.js';
import { calls, needed, refusal } from '../../helpers/options.js';

const type = 'ERR_INVALID_ARG_TYPE';

describe('validateOptions refuses every wrong JavaScript type for', () => {
  const everything: unknown[] = [
    null,
    true,
    7,
    7n,
    'text',
    Symbol('s'),
    () => {},
    [],
    {},
    new Date(),
    Number.NaN,
  ];
  const isRecord = (candidate: unknown): boolean =>
    typeof candidate === 'object' && candidate !== null && !Array.isArray(candidate);
  const fits: Record<string, (candidate: unknown) => boolean> = {
    boolean: (candidate) => typeof candidate === 'boolean',
    integer: (candidate) => typeof candidate === 'number',
    path: (candidate) => typeof candidate === 'string',
    relativePath: (candidate) => typeof candidate === 'string',
    fileName: (candidate) => typeof candidate === 'string',
    enum: (candidate) => typeof candidate === 'string',
    'enum[]': Array.isArray,
    'string[]': Array.isArray,
    'path[]': Array.isArray,
    string: (candidate) => typeof candidate === 'string',
    'cgroupRoot[]': Array.isArray,
    'joinedNamespace[]': Array.isArray,
    'inheritedFd[]': Array.isArray,
    limitedCgroup: (candidate) => typeof candidate === 'string' || isRecord(candidate),
    stdio: (candidate) => typeof candidate === 'string' || Array.isArray(candidate),
    data: (candidate) => typeof candidate !== 'function' && typeof candidate !== 'symbol',
    environment: isRecord,
    'argument[]': Array.isArray,
    address: (candidate) => typeof candidate === 'string',
    ip: (candidate) => typeof candidate === 'string',
    host: (candidate) => typeof candidate === 'string',
    file: (candidate) => typeof candidate === 'string',
    signal: () => false,
    criu: () => false,
    progressHandler: (candidate) => typeof candidate === 'function',
    hooks: isRecord,
    restoreHooks: isRecord,
  };

  test.each(calls.flatMap((call) => optionsOf(call).map((row) => [call, row.name, row] as const)))(
    '%s %s',
    (call, name, row) => {
      for (const candidate of everything) {
        if (fits[row.type]?.(candidate)) continue;
        const error = refusal(call, { ...needed[call], [name]: candidate });
        expect(error).toBeInstanceOf(TypeError);
        expect(error.code).toBe(type);
        expect(error.message).toContain(name);
        expect(error.message).not.toContain('\n');
      }
    },
  );

  test('options of every type of the table', () => {
    expect(new Set(optionTable.map((row) => row.type))).toEqual(new Set(Object.keys(fits)));
  });

  test.each([
    ['external', [1]],
    ['emptyNs', [null]],
    ['irmapPaths', [{}]],
    ['cgRoots', ['/a']],
    ['cgRoots', [null]],
    ['cgRoots', [{}]],
    ['cgRoots', [{ path: 1 }]],
    ['cgRoots', [{ path: '/a', controller: 1 }]],
  ])('an element of %s: %j', (name, list) => {
    const error = refusal('dump', { [name]: list });
    expect(error.code).toBe(type);
    expect(error.message).toContain(`${name}[0]`);
  });

  test.each([
    ['joinNs', ['net']],
    ['joinNs', [{}]],
    ['joinNs', [{ type: 1, path: '/a' }]],
    ['joinNs', [{ type: 'net' }]],
    ['inheritFd', [5]],
    ['inheritFd', [{}]],
    ['inheritFd', [{ fd: '1', resource: 'pipe:[1]' }]],
    ['inheritFd', [{ fd: 1 }]],
    ['argv', [1]],
  ])('an element of %s of a restore: %j', (name, list) => {
    const error = refusal('restore', { [name]: list });
    expect(error.code).toBe(type);
    expect(error.message).toContain(`${name}[0]`);
  });

  test.each([[null], [7], ['imagePath'], [[]], [true], [() => {}]])('options: %j', (options) => {
    expect(refusal('dump', options)).toMatchObject({
      code: type,
      message: expect.stringContaining('options') as string,
    });
  });
});
