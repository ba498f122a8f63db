import { CriuError } from '../../base/errors.js';
import { checkConfigFile } from '../../criu/config-file.js';
import { readOwnConfig } from '../../criu/environment.js';
import type { Scan } from '../scan.js';

/** Configuration files for which the request would be refused. */
export async function checkConfiguration(
  { root, report }: Scan,
  configFile: string | undefined,
): Promise<void> {
  const checks: [subject: string, check: () => Promise<unknown>][] = [
    ['default.conf', readOwnConfig],
    ...(configFile === undefined
      ? []
      : [
          [configFile, () => checkConfigFile(configFile, 'after')] as [
            string,
            () => Promise<unknown>,
          ],
        ]),
  ];
  for (const [subject, check] of checks) {
    const refused = await check().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(refused instanceof CriuError)) continue;
    const message = refused.sentence;
    report({ code: 'criu-config', severity: 'fails', pid: root.pid, subject, message });
  }
}
