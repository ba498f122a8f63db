import { expect, test } from 'vitest';
import { parseVolumes, planMounts } from '../../../../lib/archive/bundle/mounts.js';

const facts = {
  volumes: new Map<string, string>(),
  archived: new Map([['/data', 'db']]),
  exists: async (path: string): Promise<boolean> => path === '/srv/there',
};

const bind = (
  destination: string,
  source = '/gone',
): { destination: string; source: string; type: string } => ({
  destination,
  source,
  type: 'bind',
});

test('each mount gets a source', async () => {
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' },
    bind('/dev/shm'),
    bind('/data/'),
    bind('/etc/hosts'),
    bind('/run/secrets'),
    bind('/there', '/srv/there'),
    { destination: '/given', type: 'none', source: '/gone', options: ['rbind', 'ro'] },
  ];
  const planned = await planMounts(mounts, {
    ...facts,
    volumes: new Map([['/given', '/srv/mine']]),
  });
  expect(planned.map(({ made }) => made)).toEqual([
    undefined,
    undefined,
    { kind: 'shm' },
    { kind: 'volume', name: 'db' },
    { kind: 'file', destination: '/etc/hosts' },
    { kind: 'directory', destination: '/run/secrets' },
    undefined,
    undefined,
  ]);
  expect(planned.at(-1)?.mount).toEqual({ ...mounts.at(-1), source: '/srv/mine' });
});

test('what is given comes before what would be made', async () => {
  const volumes = parseVolumes(['/srv/shm:/dev/shm/', '/srv/data:/data']);
  const planned = await planMounts([bind('/dev/shm'), bind('/data')], { ...facts, volumes });
  expect(planned.map(({ mount, made }) => [mount.source, made])).toEqual([
    ['/srv/shm', undefined],
    ['/srv/data', undefined],
  ]);
});

test('a source that is not there is asked for by its name', async () => {
  await expect(planMounts([bind('/conf', '/srv/gone')], facts)).rejects.toThrow(
    '/srv/gone mounted at /conf, which is not there: give what is to be there as volumes',
  );
});

test('a destination that the container has no mount for is refused', async () => {
  const volumes = new Map([['/other', '/srv']]);
  await expect(planMounts([bind('/data')], { ...facts, volumes })).rejects.toThrow(
    /destinations that the container has a mount for.*it has \/data/,
  );
});

test('a destination that is given twice is refused', () => {
  expect(() => parseVolumes(['/a:/data', '/b:/data/'])).toThrow(/each destination once/);
});
