// @ts-check
// A real program of about a second's start: loads Apache ECharts, renders the charts that are asked
// for most, and serves them. When it is warm it checkpoints itself, if `libcriu run` has started it.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import * as echarts from 'echarts';

const [portFile = '', index = ''] = process.argv.slice(2);
const points = 2000;
const charts = 8;

/** @param {number} number */
function render(number) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 800, height: 400 });
  const line = Array.from({ length: points }, (_, x) => [x, x * Math.sin((x * number) / 50)]);
  const bars = Array.from({ length: points / 10 }, (_, x) => [x * 10, (x * number) % 97]);
  chart.setOption({
    animation: false,
    xAxis: { type: 'value' },
    yAxis: {},
    series: [
      { type: 'line', smooth: true, data: line },
      { type: 'bar', data: bars },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const cache = Array.from({ length: charts }, (_, number) => render(number));
const server = createServer((request, response) => {
  response.setHeader('connection', 'close');
  response.end(cache[Number(request.url?.slice(1))]);
});
server.listen(0, '127.0.0.1', async () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  writeFileSync(portFile, `${address.port}\n`);
  if (process.env['LIBCRIU_SNAPSHOT']) {
    /** @type {typeof import('../../lib/index.js')} */
    const { checkpointSelf } = await import(pathToFileURL(index).href);
    await checkpointSelf();
  }
});
