// A run as text: the tables for the terminal, and its section of docs/benchmarks.md.
import { evaluate } from './aims.mjs';
import { median, number, ROWS } from './rows.mjs';

/** Medians and spreads, (largest - smallest) / median, of the repeats of each column. */
export function summarize(runs) {
  const medians = {}, spreads = {};
  for (const [name, told] of Object.entries(runs)) {
    medians[name] = {};
    spreads[name] = {};
    for (const [key] of ROWS) {
      const xs = told.map((r) => r[key]).filter(Number.isFinite);
      if (!xs.length) continue;
      medians[name][key] = median(xs);
      spreads[name][key] = medians[name][key] ? (Math.max(...xs) - Math.min(...xs)) / medians[name][key] : 0;
    }
  }
  return { medians, spreads };
}

const pad = (rows, left) => {
  const w = rows[0].map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  return rows.map((r) => r.map((c, i) => (i < left ? c.padEnd(w[i]) : c.padStart(w[i]))).join('  ').trimEnd()).join('\n');
};

export const repeats = (n) => (n === 1 ? '1 repeat' : `${n} repeats`);

/** The tables of medians, ratios to the base and spreads, each as text. */
export function tables({ runs, base, reps }) {
  const { medians, spreads } = summarize(runs);
  const names = Object.keys(runs);
  const table = (title, cell) => pad([[title, '', ...names],
    ...ROWS.map((row) => [row[1], row[2], ...names.map((n) => cell(n, row))]).filter((r) => r.slice(2).some((c) => c !== '–'))], 2);
  return [
    table(`MEDIAN of ${reps}`, (n, [key,,, digits]) => number(medians[n][key], digits)),
    table(`RATIO to ${base}`, (n, [key]) => number(medians[n][key] / medians[base]?.[key], 2)),
    table('SPREAD (max-min)/median', (n, [key]) => (spreads[n][key] === undefined ? '–' : `${number(100 * spreads[n][key], 0)}%`)),
  ];
}

const SHORT = { 'alknet-quic': 'QUIC', 'alknet-tls': 'TLS', 'alknet-unix': 'Unix' };

/** The aims and which are met, as rows of cells, the first of them the heading. */
export function aims({ runs }) {
  const { medians } = summarize(runs);
  const digits = (a) => (/ ms$/.test(a.aim) ? 1 : 2);
  return [['row', 'what', 'aim', ...Object.values(SHORT), 'best', 'verdict'],
    ...evaluate(medians).map((a) => [a.row, a.what, a.aim, ...Object.keys(SHORT).map((n) => number(a.figures[n], digits(a))),
      a.best ? `${SHORT[a.best]} ${number(a.figures[a.best], digits(a))}` : '–', a.verdict])];
}

export const aimsText = (result) => pad(aims(result), 3);

/** Whether the machine was quiet: one sentence. */
export function conditions({ runs, awake, machine, seconds }) {
  const range = (key) => {
    const xs = Object.values(runs).flat().map((r) => r[key]).filter(Number.isFinite);
    return xs.length ? `${number(Math.min(...xs), 0)} to ${number(Math.max(...xs), 0)} ms (median ${number(median(xs), 0)})` : '–';
  };
  return `${awake ? 'CPUs kept from halting' : 'CPUs may halt'}; steal ${number(machine.steal, 2)} %; load ${machine.load.map((l) => number(l, 1)).join(' before and ')} after; ` +
    `the same JSON work took ${range('calibJson')}, the same integer loop ${range('calibSpin')}, in ${Object.values(runs).flat().length} processes; ${number(seconds, 0)} s in all.`;
}

/** What went wrong or was left out, one line each. */
export const troubles = ({ skipped, failed }) => [
  ...Object.entries(skipped).map(([name, why]) => `${name} was skipped: ${why}`),
  ...Object.entries(failed).flatMap(([name, errors]) => errors.map((e) => `${name} failed: ${e}`)),
];

/** The versions of a run, in one sentence. */
export const versionsText = ({ versions: { go, ...rest } }) => `Go ${go}; ${Object.entries(rest).map(([name, v]) => `${name} ${v}`).join(', ')}.`;

/** The section of a run in docs/benchmarks.md. */
export function section(result) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const [head, ...rows] = aims(result).map((cells) => cells.map((c) => c.replaceAll('|', '\\|')));
  const met = rows.filter((r) => r.at(-1) === 'met').length, unix = rows.filter((r) => /Unix/.test(r.at(-1))).length;
  const lacking = troubles(result);
  return `## Run of ${repeats(result.reps)}

${result.date.slice(0, 10)}, \`make bench\`. ${result.machine.what}. ${conditions(result)}
Look at the spread before you trust a difference.

${versionsText(result)}
${lacking.length ? `\n${lacking.map((l) => `- ${l.replaceAll('\n', ' ')}`).join('\n')}\n` : ''}
![How many times as good as ${result.base} each column is in each row; the tables below have the figures.](benchmarks.svg)

### Against the aims

${line(head)}
${line(head.map((_, i) => (i > 2 && i < head.length - 2 ? '---:' : '---')))}
${rows.map(line).join('\n')}

${met} of ${rows.length} are met${unix ? `, ${unix} over Unix sockets only, which do without TLS` : ''}. A figure is a ratio to the column that the aim names, or has the unit of the aim.

### The figures

${tables(result).map((t) => `\`\`\`text\n${t}\n\`\`\``).join('\n\n')}
`;
}

const BEGIN = '<!-- A run of bench begins here. -->\n', END = '<!-- The run of bench ends here. -->\n';

/** A page with the run between its marks replaced. */
export function replaceRun(page, text) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error('docs/benchmarks.md: the marks of a run are missing');
  return `${page.slice(0, from + BEGIN.length)}${text}${page.slice(to)}`;
}
