import { crit } from '../../../tools/criu-source.mjs';
import { runOk } from '../system/exec.js';

/** Decodes the images whose paths are its arguments. */
const script = `
import json, sys
import images
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        print(json.dumps([path, json.dumps(images.images.load(file))]))
`;

/** The JSON that crit, CRIU's own program for that, makes of images. */
export async function critDecode(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  // The distribution's Python has protobuf.
  const stdout = await runOk('/usr/bin/python3', ['-c', script, ...paths], {
    env: { PYTHONPATH: crit, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const lines = stdout.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [path, text] = JSON.parse(line) as [string, string];
      return [path, withText(text)];
    }),
  );
}

/** JSON in which the numbers that JavaScript cannot hold are text. */
function withText(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}/g, (part) =>
    part.startsWith('"') || Number.isSafeInteger(Number(part)) ? part : `"${part}"`,
  );
}

/** A decoded image without the breaks that crit puts into long text. */
export function withoutBreaks(image: unknown): unknown {
  return JSON.parse(JSON.stringify(image), (key, value) => {
    // It has no content where the content is elsewhere.
    if (key === 'extra' && value === '') return undefined;
    return typeof value === 'string' ? value.replace(/=\n(?!$)|\n/g, '') : value;
  });
}
