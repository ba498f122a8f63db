import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of newer images: another magic number, of the image's kind, follows. */
const commonMagics = [0x54564319, 0x55105940];

/** protobuf's own view of the first entry of an image, without its schema: `11: 2` a line. */
export async function decodeImage(path: string): Promise<string> {
  const image = readFileSync(path);
  const header = commonMagics.includes(image.readUInt32LE(0)) ? 8 : 4;
  const length = image.readUInt32LE(header);
  const start = header + 4;
  const child = spawn('protoc', ['--decode_raw'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(image.subarray(start, start + length));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`protoc could not decode ${path}`);
  return text;
}

/** What an images directory says of cgroups, without the permissions that CRIU leaves unset. */
export async function decodeCgroups(imagePath: string): Promise<string> {
  const text = await decodeImage(join(imagePath, 'cgroup.img'));
  return text.replace(/(1: "freezer\.state"\n\s+2: "\w+"\n\s+3 \{)[^}]*/g, '$1');
}
