import { lchown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import { given, isRefused } from '../../helpers/criu/refusal.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
const shared = new Scope();
let container: Container;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc');
  container = await startContainer(shared, { args: ['/workload', '-', 'idle'] });
  await mkdir(container.path('place'));
});

afterAll(() => shared.close());

const value = 'ERR_INVALID_ARG_VALUE';

describe('checkpoint refuses an imagePath', () => {
  test('that is a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { imagePath: container.path('place/file') })),
      {
        code: value,
        says: ['imagePath', 'place/file'],
      },
    );
  });

  test('below a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      container,
      () =>
        checkpoint(
          container.id,
          given(container, { imagePath: container.path('place/file/images') }),
        ),
      {
        code: value,
        says: ['imagePath', 'place/file/images'],
      },
    );
  });

  test('that is a dangling symbolic link', async () => {
    await symlink('nowhere', container.path('place/dangling'));
    await isRefused(
      container,
      () =>
        checkpoint(container.id, given(container, { imagePath: container.path('place/dangling') })),
      {
        code: value,
        says: ['imagePath', 'place/dangling', /symbolic link/],
      },
    );
  });

  test('that is, or lies behind, a symbolic link of another user', async () => {
    const target = container.path('place/target');
    const planted = container.path('place/planted');
    await mkdir(target);
    await symlink(target, planted);
    await lchown(planted, 65534, 65534);
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { imagePath: planted })),
      {
        code: 'ERR_UNTRUSTED_PATH',
        says: ['imagePath', 'place/planted', /symbolic link/],
      },
    );
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { imagePath: join(planted, 'images') })),
      {
        code: 'ERR_UNTRUSTED_PATH',
        says: ['imagePath', 'place/planted', /symbolic link/],
      },
    );
  });

  test('where nobody can write', async () => {
    const readOnly = container.path('place/read-only');
    await mkdir(readOnly);
    await mountTmpfs(scope, 'ro', readOnly);
    for (const imagePath of [join(readOnly, 'images'), '/proc/libcriu', '/sys/libcriu']) {
      await isRefused(container, () => checkpoint(container.id, given(container, { imagePath })), {
        code: 'ERR_CRIU_IMAGES_DIR',
        says: ['imagePath', imagePath],
      });
    }
  });

  test('with a workPath that is a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { workPath: container.path('place/file') })),
      {
        code: value,
        says: ['workPath', 'place/file'],
      },
    );
  });
});
