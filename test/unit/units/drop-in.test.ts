import { expect, test } from 'vitest';
import { dropInFor } from '../../../lib/units/drop-in.js';

test('a drop-in replaces the start of a service, and means what it says', () => {
  const text = dropInFor({
    command: ['/usr/bin/node', '/a b/main.js', '--x=$HOME "%n" \\ $y'],
    pidFile: '/run/100%.pid',
    environment: { LIBCRIU_PREFIX: '/opt/%x "y" $z' },
  });
  const lines = text.split('\n');
  expect(lines).toContain(
    'ExecStart=+"/usr/bin/node" "/a b/main.js" "--x=$$HOME \\"%%n\\" \\\\ $$y"',
  );
  expect(lines).toContain('PIDFile=/run/100%%.pid');
  // A dollar sign has no meaning there.
  expect(lines).toContain('Environment="LIBCRIU_PREFIX=/opt/%%x \\"y\\" $z"');
  expect(lines.indexOf('ExecStart=')).toBeLessThan(
    lines.findIndex((line) => line.startsWith('ExecStart=+')),
  );
});
