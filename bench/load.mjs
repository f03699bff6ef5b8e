// node bench/load.mjs [--reps 25]: what `require('alknet')` takes in a fresh process of
// Node.js, and how long after its beginning the first use of the engine is done. The
// engines take turns; medians, and the spread as (largest - smallest) / median.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { median } from './rows.mjs';

const { values } = parseArgs({ options: { reps: { type: 'string', default: '25' } } });
if (!/^[1-9]\d{0,2}$/.test(values.reps)) throw new Error(`--reps takes a number from 1 to 999, not '${values.reps}'`);

const script = `
  const began = performance.now();
  const { generateKey } = require(${JSON.stringify(new URL('..', import.meta.url).pathname)});
  const loaded = performance.now();
  generateKey();
  process.stdout.write(JSON.stringify([loaded - began, performance.now() - began]), () => process.exit());`;
const taken = { addon: [], process: [] };
for (let i = 0; i < Number(values.reps); i++) {
  for (const [engine, times] of Object.entries(taken)) {
    times.push(JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env: { ...process.env, ALKNET_ENGINE: engine } })));
  }
}

console.log(`${'engine'.padEnd(10)}${'require, ms'.padStart(14)}${'spread'.padStart(9)}${'to the first use, ms'.padStart(23)}${'spread'.padStart(9)}`);
for (const [engine, times] of Object.entries(taken)) {
  const columns = [0, 1].map((column) => {
    const all = times.map((pair) => pair[column]);
    return [median(all).toFixed(1), `${Math.round((Math.max(...all) - Math.min(...all)) / median(all) * 100)}%`];
  });
  console.log(`${engine.padEnd(10)}${columns[0][0].padStart(14)}${columns[0][1].padStart(9)}${columns[1][0].padStart(23)}${columns[1][1].padStart(9)}`);
}
