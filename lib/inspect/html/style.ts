import { html, type Markup } from './markup.js';

/** The style of the page. */
export const style: Markup = html`
:root { color-scheme: light dark; --line: #d8dde3; --soft: #f4f6f8; --dim: #5d6875; --bar: #2f6fb3; --text: #1b2128; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --line: #333b45; --soft: #1c2229; --dim: #9aa5b1; --bar: #5a97d6; --text: #e4e8ec; --page: #13171c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 20px 60px; font: 14px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page); }
h1 { font-size: 22px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 34px 0 10px; }
code { font: 12.5px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.lead { color: var(--dim); margin: 0 0 18px; overflow-wrap: anywhere; }
.cards { display: flex; flex-wrap: wrap; gap: 10px; }
.cards div { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 9px 14px; min-width: 130px; }
.cards b { display: block; font-size: 19px; font-weight: 600; }
.cards span, .about, .none { color: var(--dim); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 12px 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
/* A large tree must not hide what is below it. */
.tree { max-height: 720px; overflow: auto; }
details { border-bottom: 1px solid var(--line); }
summary { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: baseline; padding: 5px 4px; cursor: pointer; }
summary:hover { background: var(--soft); }
summary::before { content: '▸'; color: var(--dim); }
details[open] > summary::before { content: '▾'; }
summary code { flex: 1 1 320px; }
.pid { font-weight: 600; min-width: 34px; }
.size { width: 180px; display: flex; align-items: center; gap: 8px; }
.size b { display: block; height: 8px; border-radius: 2px; background: var(--bar); max-width: 92px; min-width: 1px; }
.size em, .bar em { font-style: normal; color: var(--dim); white-space: nowrap; }
details > dl, details > table { margin-left: 18px; }
table { border-collapse: collapse; margin: 8px 0 14px; font-size: 13px; max-width: 100%; }
th { text-align: left; color: var(--dim); font-weight: 500; }
th, td { padding: 3px 16px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; }
.map { width: 100%; height: auto; display: block; border: 1px solid var(--line); border-radius: 4px; }
.map text { font: 11px ui-monospace, monospace; fill: #fff; }
.map .frame { fill: var(--soft); stroke: var(--line); }
.map .caption { fill: var(--text); }
.legend span { margin-right: 14px; white-space: nowrap; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 5px; }
.bar { display: grid; grid-template-columns: minmax(110px, 26%) 1fr 90px; gap: 12px; align-items: center; padding: 3px 0; }
.bar > span { overflow-wrap: anywhere; }
.track { background: var(--soft); border-radius: 3px; height: 14px; }
.track b { display: block; height: 14px; border-radius: 3px; background: var(--bar); min-width: 1px; }
`;
