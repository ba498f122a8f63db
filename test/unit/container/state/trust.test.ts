import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { restoreContainer } from '../../../../lib/archive/restore-container.js';
import { findContainer } from '../../../../lib/container/find.js';
import { requireTrustedHooks } from '../../../../lib/container/poststop.js';
import {
  type Machine,
  makeEndedContainer,
  makeMachine,
  shellHook,
} from '../../../helpers/container-machine.js';
import { requireNeeds } from '../../../helpers/needs.js';
import { rejection } from '../../../helpers/rejection.js';

const alice = 1000;
const staff = 50;

beforeAll(() => requireNeeds('root'));

/** How the state of container `web` can come to be another user's, each with what is blamed. */
const plants: readonly [string, string, (machine: Machine) => void, string][] = [
  [
    'a state file of another user',
    'runc-1.5.1-v1',
    ({ root }) => chownSync(join(root, 'web/state.json'), alice, 0),
    'run/web/state.json is owned by user 1000',
  ],
  [
    'a state file that every user may write',
    'runc-1.5.1-v1',
    ({ root }) => chmodSync(join(root, 'web/state.json'), 0o666),
    'run/web/state.json may be written by every user',
  ],
  [
    'a state file that a group may write',
    'runc-1.5.1-v1',
    ({ root }) => {
      chownSync(join(root, 'web/state.json'), 0, staff);
      chmodSync(join(root, 'web/state.json'), 0o664);
    },
    'run/web/state.json may be written by group 50',
  ],
  [
    'a state directory of another user with a file of root',
    'runc-1.5.1-v1',
    ({ root }) => chownSync(join(root, 'web'), alice, 0),
    'run/web is owned by user 1000',
  ],
  [
    'a state root of another user',
    'runc-1.5.1-v1',
    ({ root }) => chownSync(root, alice, 0),
    'run is owned by user 1000',
  ],
  [
    'a state root that every user may write',
    'runc-1.5.1-v1',
    ({ root }) => chmodSync(root, 0o777),
    'run may be written by every user',
  ],
  [
    'a directory of another user above the state root',
    'runc-1.5.1-v1',
    ({ directory }) => chownSync(directory, alice, 0),
    'is owned by user 1000',
  ],
  [
    "another user's link to a state root of root",
    'runc-1.5.1-v1',
    ({ root, directory }) => {
      renameSync(root, join(directory, 'real'));
      mkdirSync(join(directory, 'shared'));
      chmodSync(join(directory, 'shared'), 0o1777);
      symlinkSync(join(directory, 'real'), join(directory, 'shared/link'));
      lchownSync(join(directory, 'shared/link'), alice, 0);
      symlinkSync('shared/link', root);
    },
    'shared/link is owned by user 1000',
  ],
  [
    "crun's status of another user",
    'crun-1.8.1-v1',
    ({ root }) => chownSync(join(root, 'web/status'), alice, 0),
    'run/web/status is owned by user 1000',
  ],
  [
    "crun's configuration of another user beside a status of root",
    'crun-1.8.1-v1',
    ({ root }) => chownSync(join(root, 'web/config.json'), alice, 0),
    'run/web/config.json is owned by user 1000',
  ],
];

describe('findContainer refuses what another user can have planted', () => {
  test.each(plants)('%s', async (_name, fixture, plant, blamed) => {
    const machine = await makeMachine();
    await machine.container(fixture);
    expect((await findContainer('web', machine, machine.host)).id).toBe('web');
    plant(machine);
    const error = await rejection(findContainer('web', machine, machine.host));
    expect(error).toMatchObject({ name: 'CriuError', code: 'ERR_UNTRUSTED_PATH' });
    expect(error.message).toMatch(/^Refused to use the state file \S+\/run\/web\/\S+, which /);
    expect(error.message.endsWith(blamed)).toBe(true);
  });

  test('a state root in the XDG_RUNTIME_DIR of another user', async () => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1');
    renameSync(machine.root, join(machine.directory, 'crun'));
    const host = { ...machine.host, env: { XDG_RUNTIME_DIR: machine.directory } };
    expect((await findContainer('web', {}, host)).id).toBe('web');
    chownSync(machine.directory, alice, alice);
    expect(await rejection(findContainer('web', {}, host))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
    });
  });
});

describe('requireTrustedHooks', () => {
  test('passes programs of root and refuses one that another user can have written', async () => {
    const { container } = await makeEndedContainer();
    const { directory } = await makeMachine();
    const planted = join(directory, 'hook');
    writeFileSync(planted, '#!/bin/sh\n', { mode: 0o755 });
    const hooks = [shellHook('true'), { ...shellHook('true'), path: planted }];
    await requireTrustedHooks({ ...container, poststopHooks: hooks });
    chownSync(planted, alice, alice);
    const error = await rejection(requireTrustedHooks({ ...container, poststopHooks: hooks }));
    expect(error).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
    expect(error.message).toContain(`the poststop hook ${planted}, `);
  });
});

describe('restoreContainer', () => {
  test('refuses a bundle whose configuration another user can have written', async () => {
    const { directory, write } = await makeMachine();
    const config = await write('bundle/config.json', '{}');
    const restoring = () =>
      rejection(
        restoreContainer('web', {
          bundle: join(directory, 'bundle'),
          imagePath: join(directory, 'none'),
        }),
      );
    expect(await restoring()).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
    chownSync(config, alice, alice);
    expect(await restoring()).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
      operation: 'restoreContainer',
      message: expect.stringContaining(`${config} is owned by user 1000`) as string,
    });
  });
});
