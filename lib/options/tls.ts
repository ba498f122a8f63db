import type { SecureContextOptions } from 'node:tls';
import { invalidArgValue } from '../base/errors.js';
import { readFile } from '../base/files.js';
import type { TransferOptions } from './types.js';

/** The options that name certificates. */
type TlsOptions = Pick<TransferOptions, 'tls' | 'tlsCacert' | 'tlsCacrl' | 'tlsCert' | 'tlsKey'>;

/**
 * Reads certificates and key as CRIU will, which looks at them only when a connection is made, with
 * the tasks frozen.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file that cannot be used.
 */
export async function checkTls(options: TlsOptions): Promise<void> {
  if (options.tls !== true) return;
  const [cert, key] = await Promise.all([
    read('tlsCert', options.tlsCert),
    read('tlsKey', options.tlsKey),
  ]);
  const ca = await read('tlsCacert', options.tlsCacert);
  const crl = await read('tlsCacrl', options.tlsCacrl);
  use('tlsCacert', options.tlsCacert, { ca });
  use('tlsCacrl', options.tlsCacrl, { crl });
  use('tlsCert', options.tlsCert, { cert });
  use('tlsKey', options.tlsKey, { cert, key });
}

async function read(name: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw invalidArgValue(name, 'a file that can be read', path, error.code);
  });
}

function use(
  name: string,
  path: string | undefined,
  options: { [Name in keyof SecureContextOptions]: SecureContextOptions[Name] | undefined },
): void {
  if (path === undefined) return;
  // Few operations have certificates, and node:tls is slow to load.
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  try {
    createSecureContext(options as SecureContextOptions);
  } catch (error) {
    const { message } = error as Error;
    throw invalidArgValue(name, 'a PEM file that fits the others', path, message);
  }
}
