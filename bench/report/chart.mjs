// @ts-check
import { BarChart, CustomChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { summarize } from '../lib/statistics.mjs';
import { digits } from './text.mjs';

/** @typedef {import('../lib/result.mjs').Chart} Chart */

use([BarChart, CustomChart, GridComponent, TitleComponent, SVGRenderer]);

const width = 860;
const nameWidth = 310;
const barHeight = 34;
const capHeight = 5;
// Readable on white and on black: the README is shown on both.
const colors = {
  ours: '#3b82c4',
  others: '#9aa3ad',
  limit: '#c9a24b',
  text: '#7a828b',
  spread: '#59626b',
};

/** @param {import('../lib/result.mjs').Bar} bar */
function colorOf({ ours, limit }) {
  if (limit) {
    return colors.limit;
  }
  return ours ? colors.ours : colors.others;
}

/**
 * A whisker from p10 to p90.
 *
 * @param {import('echarts').CustomSeriesRenderItemParams} _
 * @param {import('echarts').CustomSeriesRenderItemAPI} api
 */
function whisker(_, api) {
  const row = api.value(2);
  const [left = 0, y = 0] = api.coord([api.value(0), row]);
  const [right = 0] = api.coord([api.value(1), row]);
  /** @param {number[]} from @param {number[]} to */
  const line = ([x1 = 0, y1 = 0], [x2 = 0, y2 = 0]) => ({
    type: /** @type {const} */ ('line'),
    shape: { x1, y1, x2, y2 },
    style: { stroke: colors.spread, lineWidth: 1.5 },
  });
  return {
    type: /** @type {const} */ ('group'),
    children: [
      line([left, y], [right, y]),
      line([left, y - capHeight], [left, y + capHeight]),
      line([right, y - capHeight], [right, y + capHeight]),
    ],
  };
}

/**
 * Bars of medians with whiskers from p10 to p90, as one static SVG.
 *
 * @param {Chart} chart
 */
export function chartSvg({ title, unit, bars }) {
  const summaries = bars.map(({ samples }) => summarize(samples));
  const chart = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width,
    height: 90 + bars.length * barHeight,
  });
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: 'sans-serif' },
      title: {
        left: 0,
        text: title,
        subtext: `median in ${unit}; the line is p10 to p90`,
        textStyle: { color: colors.text, fontSize: 15 },
        subtextStyle: { color: colors.text },
      },
      grid: { left: nameWidth + 15, right: 70, top: 60, bottom: 25 },
      xAxis: {
        type: 'value',
        min: 0,
        axisLabel: { color: colors.text },
        splitLine: { lineStyle: { color: colors.others, opacity: 0.3 } },
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: bars.map(({ name }) => name),
        axisLabel: { color: colors.text, width: nameWidth, overflow: 'break' },
        axisTick: { show: false },
      },
      series: [
        {
          type: 'bar',
          barWidth: '55%',
          data: bars.map((bar, at) => ({
            value: summaries[at]?.median ?? 0,
            itemStyle: { color: colorOf(bar) },
          })),
        },
        {
          type: 'custom',
          z: 10,
          renderItem: whisker,
          encode: { x: [0, 1], y: 2 },
          data: summaries.map(({ p10, p90 }, at) => [p10, p90, at]),
        },
        {
          // The number stands beyond the whisker, so it belongs to a bar of that length.
          type: 'bar',
          barGap: '-100%',
          barWidth: '55%',
          silent: true,
          itemStyle: { color: 'transparent' },
          label: {
            show: true,
            position: 'right',
            color: colors.text,
            /** @param {{dataIndex: number}} bar */
            formatter: ({ dataIndex }) => digits(summaries[dataIndex]?.median ?? 0),
          },
          data: summaries.map(({ median, p90 }) => Math.max(median, p90)),
        },
      ],
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
