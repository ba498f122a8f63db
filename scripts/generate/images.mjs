// @ts-check
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { isAtLeast } from '../../tools/criu.mjs';
import { criuSource, hasCriuSource, sourceVersion } from '../../tools/criu-source.mjs';
import { run, StepError } from '../../tools/process.mjs';

/** What a text that we have made says of the release that it is made from. */
const madeFrom = /from CRIU ([\d.]+)'s definitions/;

/**
 * The text of lib/images/codec/definitions.ts, before it is formatted.
 *
 * @param {string} current the text that it has now
 */
export async function renderDefinitions(current) {
  if (!hasCriuSource()) {
    throw new StepError("CRIU's definitions of its images are missing: run npm run setup");
  }
  const version = sourceVersion();
  const known = madeFrom.exec(current)?.[1];
  // Set-up takes an older release where the archive has no newer one.
  if (known !== undefined && known !== version && isAtLeast(known, version)) return current;
  const licence = readFileSync(join(criuSource, 'images/LICENSE'), 'utf8').trim();
  const set = Buffer.from(await compile()).toString('base64');
  return `// Made by \`npm run generate\` from CRIU ${version}'s definitions of its images.

/*! CRIU's definitions of its images have this license, which bundlers keep where they keep the definitions:
 *
${licence
  .split('\n')
  .map((line) => ` * ${line}`.trimEnd())
  .join('\n')}
 */

/** The definitions, as a \`google.protobuf.FileDescriptorSet\` in base64. */
export const definitions = '${set}';
`;
}

async function compile() {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-definitions-'));
  try {
    const out = join(directory, 'set');
    const images = join(criuSource, 'images');
    // These are no images: they are for requests and for what moves images.
    const files = readdirSync(images)
      .filter((name) => name.endsWith('.proto') && !/^(?:rpc|img-streamer)\./.test(name))
      .sort();
    await run('protoc', [`-I${images}`, '-I/usr/include', `--descriptor_set_out=${out}`, ...files]);
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(out));
    // Only some versions of protoc write these names, which nothing reads.
    for (const { messageType } of set.file) messageType.forEach(withoutJsonNames);
    return toBinary(FileDescriptorSetSchema, set);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** @param {import('@bufbuild/protobuf/wkt').DescriptorProto} message */
function withoutJsonNames({ field, nestedType }) {
  for (const one of field) Reflect.deleteProperty(one, 'jsonName');
  nestedType.forEach(withoutJsonNames);
}
