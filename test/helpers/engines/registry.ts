import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Scope } from '../scope.js';

interface Descriptor {
  digest: string;
  mediaType: string;
}

/** A registry of one image, which is an OCI layout in a directory that may be filled later. */
export async function startRegistry(scope: Scope, layout: string): Promise<string> {
  const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  const send = (response: ServerResponse, { digest, mediaType }: Descriptor): void => {
    const file = blob(digest);
    response.writeHead(200, {
      'content-type': mediaType,
      'content-length': statSync(file).size,
      'docker-content-digest': digest,
    });
    if (response.req.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
  };
  const server = createServer((request, response) => {
    const [, , kind, digest = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(request.url ?? '') ?? [];
    if (kind === 'manifests') {
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
        manifests: [Descriptor];
      };
      send(response, index.manifests[0]);
    } else if (kind === 'blobs') {
      send(response, { digest, mediaType: 'application/octet-stream' });
    } else {
      response.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(() => server.close());
  // A client takes no TLS for this name.
  return `localhost:${(server.address() as AddressInfo).port}`;
}
