import { expect, test } from 'vitest';
import { directoriesOf, ownAttributesOf } from '../../../lib/archive/overlay.js';
import { parseMountinfo } from '../../../lib/linux/mountinfo.js';

const optionsOf = (options: string): readonly string[] =>
  parseMountinfo(`1 0 0:45 / / rw - overlay overlay ${options}`)[0]?.options ?? [];

test.each([
  [
    'of podman and docker',
    'rw,lowerdir=/var/l/A:/var/l/B,upperdir=/var/1/diff,workdir=/var/1/work,xino=off',
    { upper: '/var/1/diff', lower: ['/var/l/A', '/var/l/B'] },
  ],
  [
    'that would be too long',
    'rw,lowerdir=l/A:l/B,upperdir=1/diff,workdir=1/work',
    { upper: '1/diff', lower: ['l/A', 'l/B'] },
  ],
  [
    'with commas, blanks and colons in their names',
    String.raw`rw,lowerdir=/a\054b\134:c:/d\040e,upperdir=/f\054g,workdir=/w`,
    { upper: '/f,g', lower: ['/a,b:c', '/d e'] },
  ],
  [
    'that were given one by one',
    'rw,lowerdir+=/a,lowerdir+=/b,datadir+=/c,upperdir=/u,workdir=/w',
    { upper: '/u', lower: ['/a', '/b'] },
  ],
  ['with data alone', 'rw,lowerdir=/a::/data,upperdir=/u', { upper: '/u', lower: ['/a', '/data'] }],
  ['that nobody can write to', 'ro,lowerdir=/a:/b', { upper: undefined, lower: ['/a', '/b'] }],
])('the directories of an overlay are read: %s', (_, options, directories) => {
  expect(directoriesOf(optionsOf(options))).toEqual(directories);
});

test.each([
  ['rw,lowerdir=/a,upperdir=/u,workdir=/w,userxattr', 'user.overlay.'],
  ['rw,lowerdir=/a,upperdir=/u,workdir=/w,xino=off', 'trusted.overlay.'],
  ['rw,lowerdir=/userxattr,upperdir=/u,workdir=/w', 'trusted.overlay.'],
])('the attributes of an overlay with %s begin with %s', (options, prefix) => {
  expect(ownAttributesOf(optionsOf(options))).toBe(prefix);
});
