// @ts-check
// `npm run test:stress` and `npm run test:soak`. The harness is TypeScript and shares the tests'
// helpers, so it is loaded as the tests are, but by no test runner: it runs for minutes or hours.
import { createViteServer } from 'vitest/node';

const [name = 'main', ...args] = process.argv.slice(2);
const server = await createViteServer({
  configFile: false,
  root: new URL('../..', import.meta.url).pathname,
  logLevel: 'error',
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  optimizeDeps: { noDiscovery: true },
});
try {
  const { main } = await server.ssrLoadModule(`/test/stress/${name}.ts`);
  process.exitCode = await main(args);
} catch (error) {
  process.stderr.write(`${name}: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
} finally {
  await server.close();
}
