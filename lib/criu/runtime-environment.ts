import { delimiter, dirname } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { nativeFrontDirectory } from '../native/addon.js';
import { behindNativeTar, preloads, trustedHome, trustedPath } from './environment.js';
import type { CriuVersion } from './program.js';

/** The criu that a container runtime is to use. */
export interface RuntimeCriu {
  /** Absolute path of the program; empty when there is a service. */
  binary: string;
  version: CriuVersion;
  /** What extracts the archive of a tmpfs. */
  tar?: 'system' | 'native' | undefined;
}

/**
 * Our environment for a container runtime, which finds this criu first: a program that answers for it
 * when it is asked for its version, and otherwise becomes it, with what we preload into criu.
 */
export async function runtimeEnvironment(criu: RuntimeCriu): Promise<NodeJS.ProcessEnv> {
  const environment = { ...process.env, HOME: await trustedHome() };
  const path = await trustedPath();
  // With a criu service we have no program: the runtime uses what it finds.
  if (criu.binary === '') return { ...environment, PATH: path };
  const front = nativeFrontDirectory();
  const [first, variables] = front.includes(delimiter) ? [[], {}] : [[front], frontVariables(criu)];
  const behind = criu.tar === 'system' ? path : behindNativeTar(path);
  const PATH = [...first, dirname(criu.binary), behind].join(delimiter);
  return { ...environment, ...variables, PATH };
}

/** What `native/programs/front/main.cc` is told. */
function frontVariables({ binary, version, tar }: RuntimeCriu): NodeJS.ProcessEnv {
  // The tables and the pages are those of a dump alone.
  const preload = preloads({ tar, conntrack: 'always', pageWriter: 'criu' });
  return {
    LIBCRIU_FRONT_CRIU: binary,
    LIBCRIU_FRONT_VERSION: versionAnswer(version),
    ...(preload === '' ? {} : { LIBCRIU_FRONT_PRELOAD: preload }),
  };
}

/** The type of the request and of its answer, in `enum criu_req_type`. */
const versionType = 10;

/** What criu answers when it is asked for its version (`criu_resp`), in hexadecimal digits. */
export function versionAnswer({ major, minor, gitId, sublevel, name }: CriuVersion): string {
  const version = new BinaryWriter();
  version.tag(1, WireType.Varint).int32(major).tag(2, WireType.Varint).int32(minor);
  if (gitId !== undefined) version.tag(3, WireType.LengthDelimited).string(gitId);
  version.tag(4, WireType.Varint).int32(sublevel);
  if (name !== undefined) version.tag(6, WireType.LengthDelimited).string(name);
  const answer = new BinaryWriter();
  answer.tag(1, WireType.Varint).int32(versionType).tag(2, WireType.Varint).bool(true);
  answer.tag(10, WireType.LengthDelimited).bytes(version.finish());
  return Buffer.from(answer.finish()).toString('hex');
}
