// The chart of a run, as an SVG: a panel for each row, a bar for each column. A bar says how many times as good as the base
// the column is, on a logarithmic scale, so that twice as good and half as good are equally long. Where less is better
// (latency, CPU time) the ratio is turned round: longer to the right is always better.
import { number } from './rows.mjs';

const PANELS = [
  { key: 'a1_p50', title: 'a · 1 caller, 100 B, p50', unit: 'µs', digits: 0, less: true },
  { key: 'a16_rate', title: 'a · 16 callers, 100 B', unit: 'calls/s', digits: 0 },
  { key: 'a256_rate', title: 'a · 256 callers, 100 B', unit: 'calls/s', digits: 0 },
  { key: 'b_rate', title: 'b · 16 callers, 10 KB', unit: 'calls/s', digits: 0 },
  { key: 'c_MBps', title: 'c · 4 callers, 1 MB', unit: 'MB/s', digits: 1 },
  { key: 'd_rate', title: 'd · one subscription', unit: 'events/s', digits: 0 },
  { key: 'e_p99', title: 'e · 1,000 subscriptions, lag p99', unit: 'ms', digits: 2, less: true },
  { key: 'cold', title: 'f · connect and first answer', unit: 'ms', digits: 1, less: true },
  { key: 'a256_cpu100k', title: 'g · client CPU for 100,000 calls', unit: 's', digits: 2, less: true },
  { key: 'a256_loop99', title: 'g · event loop delay p99', unit: 'ms', digits: 2, less: true },
];

const BAR = 11, PITCH = 17, HEAD = 34, FOOT = 30; // px of a panel
const WIDE = 490, NAMES = 106, VALUES = 126; // px of a panel: as a whole, for its names and for its figures
const TOP = 92, EDGE = 18;

const STYLE = `
  .page { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .big { font-size: 18px; font-weight: 600 } .title { font-size: 13px; font-weight: 600 } .quiet { fill: #59636e; font-size: 11px; font-weight: 400 }
  .end { text-anchor: end } .middle { text-anchor: middle } .own { font-weight: 600 }
  .grid { stroke: #d1d9e0 } .base { stroke: #59636e; stroke-width: 1.5 }
  .bar-own { fill: #0969da } .bar-other { fill: #8c959f } .bar-floor { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .grid { stroke: #30363d } .base { stroke: #9198a1 }
    .bar-own { fill: #4493f8 } .bar-other { fill: #6e7681 } .bar-floor { stroke: #8b949e }
  }`;

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const px = (x) => Number(x.toFixed(1));
const kind = (name) => (name.startsWith('alknet') ? 'own' : name === 'floor' ? 'floor' : 'other');

// How many times as good as the base a column is; undefined if either was not measured. A
// figure of zero is as good as the smallest that is shown.
function ratio(panel, medians, name, base) {
  const [x, y] = [medians[name]?.[panel.key], medians[base]?.[panel.key]].map((v) => (Number.isFinite(v) ? Math.max(v, 10 ** -panel.digits) : undefined));
  return x === undefined || y === undefined ? undefined : panel.less ? y / x : x / y;
}
const times = (r) => `${r >= 100 ? r.toFixed(0) : r >= 10 ? r.toFixed(1) : r.toFixed(2)}×`;

/** What the chart shows, in words: its text alternative. */
function describe({ medians, base }) {
  const names = Object.keys(medians);
  return PANELS.map((panel) => {
    const parts = names.map((name) => [name, ratio(panel, medians, name, base)]).filter(([, r]) => r !== undefined).map(([name, r]) => `${name} ${times(r)}`);
    return parts.length ? `${panel.title}: ${parts.join(', ')}.` : undefined;
  }).filter(Boolean).join(' ');
}

/** The chart of { medians: { column: { key: number } }, base, note }, as the text of an SVG. */
export function chart({ medians, base, note = '' }) {
  const names = Object.keys(medians);
  const panels = PANELS.filter((panel) => names.some((name) => ratio(panel, medians, name, base) !== undefined));
  const logs = panels.flatMap((panel) => names.map((name) => ratio(panel, medians, name, base))).filter((r) => r !== undefined).map(Math.log10);
  const [from, to] = [Math.min(-0.5, ...logs), Math.max(0.5, ...logs)];
  const plot = WIDE - NAMES - VALUES - 14;
  const at = (r) => px(NAMES + 8 + (Math.log10(r) - from) / (to - from) * plot);
  const high = HEAD + names.length * PITCH + FOOT;
  const rows = Math.ceil(panels.length / 2);
  const [width, height] = [2 * WIDE + 3 * EDGE, TOP + rows * high + EDGE];
  const marks = to - from > 2.5 ? [0.001, 0.01, 0.1, 1, 10, 100, 1000] : [0.03, 0.1, 0.3, 1, 3, 10, 30]; // the labels need their place
  const ticks = marks.filter((t) => Math.log10(t) >= from && Math.log10(t) <= to);

  const out = [];
  panels.forEach((panel, i) => {
    const [left, top] = [EDGE + (i % 2) * (WIDE + EDGE), TOP + (i >> 1) * high];
    const bottom = HEAD + names.length * PITCH;
    out.push(`<g transform="translate(${left} ${top})">`);
    out.push(`<text class="title" x="0" y="18">${escape(panel.title)} <tspan class="quiet">${escape(panel.unit)}, ${panel.less ? 'less' : 'more'} is better</tspan></text>`);
    for (const t of ticks) {
      out.push(`<path class="${t === 1 ? 'base' : 'grid'}" d="M${at(t)} ${HEAD - 4}V${bottom}"/>`);
      out.push(`<text class="quiet middle" x="${at(t)}" y="${bottom + 14}">${t}×</text>`);
    }
    names.forEach((name, n) => {
      const r = ratio(panel, medians, name, base), y = HEAD + n * PITCH, text = y + BAR - 1;
      const own = kind(name) === 'own' ? ' own' : '';
      out.push(`<text class="end${own}" x="${NAMES}" y="${text}">${escape(name)}</text>`);
      const value = medians[name][panel.key];
      if (r !== undefined) {
        const [a, b] = [at(1), at(r)].sort((p, q) => p - q);
        out.push(`<rect class="bar-${kind(name)}" x="${a}" y="${y}" width="${px(Math.max(b - a, 1))}" height="${BAR}"><title>${escape(`${name}: ${number(value, panel.digits)} ${panel.unit}, ${times(r)}`)}</title></rect>`);
      }
      out.push(`<text class="end quiet" x="${WIDE - 46}" y="${text}">${number(value, panel.digits)}</text>`);
      out.push(`<text class="end${own}" x="${WIDE}" y="${text}">${r === undefined ? '–' : times(r)}</text>`);
    });
    out.push('</g>');
  });

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">
<title id="title">How many times as good as ${escape(base)} each column is</title>
<desc id="desc">${escape(describe({ medians, base }))}</desc>
<style>${STYLE}
</style>
<rect class="page" width="${width}" height="${height}"/>
<text class="big" x="${EDGE}" y="36">How many times as good as ${escape(base)}</text>
<text class="quiet" x="${EDGE}" y="56">Logarithmic scale; ${escape(base)} is 1×, and longer to the right is better in every panel. Blue: this project. Dashed: a raw TLS socket, the floor.</text>
<text class="quiet" x="${EDGE}" y="73">${escape(note)}</text>
${out.join('\n')}
</svg>
`;
}
