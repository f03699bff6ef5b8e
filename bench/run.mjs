// `make bench`: this project beside what a Node.js developer would use otherwise.
// docs/benchmarks.md explains the columns, the rows and the method.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { chart } from './chart.mjs';
import { choose, COLUMNS, USUAL } from './columns.mjs';
import { describe, keepAwake, versions, watch } from './machine.mjs';
import { measure } from './measure.mjs';
import { aimsText, conditions, repeats, replaceRun, section, summarize, tables, troubles, versionsText } from './report.mjs';

const USAGE = `node bench/run.mjs [options]
  --columns a,b,…   some columns: ${Object.keys(COLUMNS).join(', ')}
  --only abcdefg    some rows; g is measured with a
  --reps 3          repeats
  --window N        what this project's columns ask for in rows d and e (256)
  --base NAME       the column that ratios refer to (ws-json)
  --write           put the run into docs/benchmarks.md and docs/benchmarks.svg: whole runs only
  --out FILE        the results as JSON (build/bench.json)
  --from FILE       tell and write the results of an earlier run again; measures nothing
  --quick           a tenth of the work, to see that everything runs; measures nothing worth telling
  --idle            leave the CPUs' idle states alone`;
const ALL = 'abcdefg';
const file = (name) => new URL(`../${name}`, import.meta.url);

function options() {
  const { values } = parseArgs({
    options: {
      columns: { type: 'string' }, only: { type: 'string', default: ALL }, reps: { type: 'string', default: '3' }, window: { type: 'string' }, base: { type: 'string', default: 'ws-json' },
      out: { type: 'string', default: file('build/bench.json').pathname }, from: { type: 'string' },
      write: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, idle: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  });
  const names = values.columns === undefined ? USUAL : choose(values.columns);
  if (!/^[a-g]+$/.test(values.only)) throw new Error(`--only takes letters from a to g, not '${values.only}'`);
  if (!/^[1-9]\d?$/.test(values.reps)) throw new Error(`--reps takes a number from 1 to 99, not '${values.reps}'`);
  if (values.window !== undefined && !/^[1-9]\d{0,6}$/.test(values.window)) throw new Error(`--window takes a number of events, not '${values.window}'`);
  choose(values.base);
  const earlier = values.from && JSON.parse(fs.readFileSync(values.from, 'utf8'));
  const { quick, only, columns, window } = earlier ?? { ...values, columns: names };
  if (values.write && (quick || window !== undefined || [...only].sort().join('') !== ALL || USUAL.some((n) => !columns.includes(n)))) {
    throw new Error('--write keeps whole runs: leave out --columns, --only, --window and --quick');
  }
  return { ...values, earlier, names, only: values.only.includes('a') ? values.only : values.only.replace('g', 'ag'), reps: Number(values.reps), window: values.window && Number(values.window), base: names.includes(values.base) ? values.base : names[0] };
}

async function run(opt) {
  const awake = !opt.idle && keepAwake();
  if (!opt.idle && !awake) console.error('cannot hold /dev/cpu_dma_latency: expect noise at 1 and 16 callers');
  const began = Date.now(), watched = watch();
  const columns = Object.fromEntries(opt.names.map((n) => [n, { ...COLUMNS[n], options: { ...COLUMNS[n].options, window: opt.window } }]));
  const measured = await measure(columns, { reps: opt.reps, only: opt.only, quick: opt.quick, columns: opt.names, log: console.error });
  const result = {
    date: new Date().toISOString(), reps: opt.reps, only: opt.only, quick: opt.quick, columns: opt.names, window: opt.window, base: opt.base, seconds: (Date.now() - began) / 1e3, awake,
    machine: { what: describe(), ...watched() }, versions: versions([...new Set(opt.names.flatMap((n) => COLUMNS[n].uses))]), ...measured,
  };
  for (const name of Object.keys(result.runs)) if (!result.runs[name].length) delete result.runs[name];
  fs.writeFileSync(opt.out, JSON.stringify(result, null, 1));
  return result;
}

function write(result) {
  const page = file('docs/benchmarks.md');
  const note = `Medians of ${repeats(result.reps)}, ${result.date.slice(0, 10)}. ${result.machine.what}.`;
  fs.writeFileSync(page, replaceRun(fs.readFileSync(page, 'utf8'), section(result)));
  fs.writeFileSync(file('docs/benchmarks.svg'), chart({ medians: summarize(result.runs).medians, base: result.base, note }));
}

let opt;
try {
  opt = options();
} catch (e) {
  console.error(`${e.message}\n\n${USAGE}`);
  process.exit(2);
}
if (opt.help) {
  console.log(USAGE);
  process.exit(0);
}
const result = opt.earlier ?? await run(opt);
for (const table of tables(result)) console.log(`\n${table}`);
console.log(`\n${aimsText(result)}`);
console.log(`\n${result.machine.what}; ${versionsText(result)}\n${result.quick ? 'QUICK: a tenth of the work. ' : ''}${result.window ? `Windows of ${result.window} events. ` : ''}${conditions(result)}`);
for (const line of troubles(result)) console.log(line);
if (opt.write) write(result);
if (Object.keys(result.failed).length) process.exitCode = 1;
