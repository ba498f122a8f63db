// @ts-check
// A real program of about a second's start: loads Apache ECharts and renders the charts that are asked
// for most, to serve them.
import * as echarts from 'echarts';

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

/**
 * Answers a request for `/NUMBER`.
 *
 * @type {import('node:http').RequestListener}
 */
export function answer(request, response) {
  response.setHeader('connection', 'close');
  response.end(cache[Number(request.url?.slice(1))]);
}
