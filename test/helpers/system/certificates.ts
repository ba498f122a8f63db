import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { runOk } from './exec.js';

/** The TLS options of one side. */
export interface Certificate {
  tls: true;
  tlsCacert: string;
  tlsCert: string;
  tlsKey: string;
}

/** An authority of its own, and a certificate that it signed for each of these IP addresses. */
export async function makeCertificates(
  scope: Scope,
  addresses: readonly string[],
): Promise<Certificate[]> {
  const directory = await scope.directory();
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): Promise<string> => runOk('openssl', args);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=authority'];
  await openssl('req', '-x509', ...key, ...authority, '-days', '2');
  return Promise.all(
    addresses.map(async (address, index) => {
      const [own, request, signed] = ['key', 'csr', 'pem'].map((kind) => path(`${index}.${kind}`));
      const extensions = path(`${index}.ext`);
      await writeFile(extensions, `subjectAltName=IP:${address}\n`);
      const subject = ['-subj', `/CN=${address}`];
      await openssl('req', ...key, '-keyout', `${own}`, '-out', `${request}`, ...subject);
      const ca = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial'];
      const serial = ['-CAserial', path(`${index}.srl`), '-days', '2', '-extfile', extensions];
      await openssl('x509', '-req', '-in', `${request}`, '-out', `${signed}`, ...ca, ...serial);
      return { tls: true, tlsCacert: path('ca.pem'), tlsCert: `${signed}`, tlsKey: `${own}` };
    }),
  );
}
