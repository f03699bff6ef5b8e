// node run.mjs [--peers a,b,…] [--base NAME] [--reps 3] [--only abcdefg] [--out results.json] [--idle]
// Every repeat starts a fresh server and a fresh client process for each peer, one pair at
// a time, in rotating order. The figures are medians; docs/benchmarks.md explains the rows.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const here = new URL('.', import.meta.url).pathname;
const PEERS = 'alknet-quic,alknet-tls,alknet-unix,ws-json,grpc,floor';
const benchd = new URL('../build/benchd', import.meta.url).pathname;
const { values: opt } = parseArgs({
  options: {
    peers: { type: 'string', default: PEERS },
    base: { type: 'string', default: 'ws-json' },
    reps: { type: 'string', default: '3' },
    only: { type: 'string', default: 'abcdefg' }, // f is the cold start; g is measured with a
    out: { type: 'string', default: new URL('../build/bench.json', import.meta.url).pathname },
    idle: { type: 'boolean', default: false }, // leave the CPUs' idle states alone
  },
});
const names = opt.peers.split(',');
const base = names.includes(opt.base) ? opt.base : names[0];
const COLD = 3; // cold starts a repeat

// A halted virtual CPU takes 50 µs and more to wake up, or none when it happens to be polling: with few callers that
// lottery is most of the latency. While this file is held open with a zero in it, the CPUs do not halt (needs root).
let awake = false;
if (!opt.idle) {
  try {
    fs.writeSync(fs.openSync('/dev/cpu_dma_latency', 'w'), new Uint8Array(4));
    awake = true;
  } catch { console.error('cannot hold /dev/cpu_dma_latency: expect noise at 1 and 16 callers'); }
}

// key, title, unit, digits
const ROWS = [
  ['a1_rate', 'a  echo 100 B, 1 caller', 'calls/s', 0], ['a1_p50', '     p50', 'µs', 0], ['a1_p99', '     p99', 'µs', 0],
  ['a16_rate', 'a  echo 100 B, 16 callers', 'calls/s', 0], ['a16_p50', '     p50', 'µs', 0], ['a16_p99', '     p99', 'µs', 0],
  ['a256_rate', 'a  echo 100 B, 256 callers', 'calls/s', 0], ['a256_p50', '     p50', 'µs', 0], ['a256_p99', '     p99', 'µs', 0],
  ['b_rate', 'b  echo 10 KB, 16 callers', 'calls/s', 0],
  ['c_MBps', 'c  echo 1 MB, 4 callers', 'MB/s', 1],
  ['d_rate', 'd  1 stream, 200k events', 'events/s', 0],
  ['e_delivered', 'e  1000 streams x 10/s, 5 s', 'fraction', 3], ['e_p50', '     lag p50', 'ms', 2], ['e_p99', '     lag p99', 'ms', 2],
  ['e_open', '     time to open all 1000', 'ms', 0],
  ['cold', 'f  connect + first answer', 'ms', 1],
  ['a256_cpu100k', 'g  client CPU / 100k calls (a/256)', 's', 2], ['a256_loop99', '     event loop delay p99', 'ms', 2],
  // not asked of a peer, but they say what limits it
  ['a256_srv100k', '   server CPU / 100k calls (a/256)', 's', 2], ['a256_elu', '   JS thread busy in a/256', '0..1', 2], ['a1_elu', '   JS thread busy in a/1', '0..1', 2],
  ['c_elu', '   JS thread busy in c', '0..1', 2], ['c_loop99', '   event loop delay p99 in c', 'ms', 1],
  ['d_elu', '   JS thread busy in d', '0..1', 2], ['d_cpu100k', '   client CPU / 100k events (d)', 's', 2], ['d_srv100k', '   server CPU / 100k events (d)', 's', 2],
  ['e_cpu', '   client CPU in e', 's', 2], ['e_srv', '   server CPU in e', 's', 2],
  ['importMs', '   module load', 'ms', 0], ['rssMB', '   client peak memory', 'MB', 0],
];

// The server prints one line of JSON, which is passed to the client, and ends with its stdin.
async function startServer(name) {
  const child = spawn(benchd, ['-mode', name], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise(r => child.once('exit', r));
  const line = await Promise.race([
    new Promise(r => createInterface({ input: child.stdout }).once('line', r)),
    ended.then(() => { throw new Error(`the server of ${name} ended at once`); }),
  ]);
  return {
    info: { ...JSON.parse(line), pid: child.pid },
    stop: async () => { child.stdin.end(); const t = setTimeout(() => child.kill('SIGKILL'), 2000); await ended; clearTimeout(t); },
  };
}

function runClient(arg) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [`${here}client.mjs`, JSON.stringify(arg)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '', err = '';
    child.stdout.on('data', d => { text += d; });
    child.stderr.on('data', d => { err += d; });
    const t = setTimeout(() => child.kill('SIGKILL'), 120e3);
    child.once('close', code => {
      clearTimeout(t);
      try { resolve(JSON.parse(text)); } catch { resolve({ errors: [`client ended with ${code}: ${err.trim().slice(0, 300)}`] }); }
    });
  });
}

const median = xs => { const s = [...xs].sort((a, b) => a - b), m = s.length >> 1; return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2; };
const cpuTicks = () => fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);

const runs = Object.fromEntries(names.map(n => [n, []]));
const began = Date.now(), ticks0 = cpuTicks();
for (let rep = 0; rep < Number(opt.reps); rep++) {
  for (let i = 0; i < names.length; i++) {
    const name = names[(i + rep) % names.length], t = Date.now();
    const srv = await startServer(name);
    const arg = { ...srv.info, peer: name, only: opt.only };
    const cold = [];
    if (arg.only.includes('f')) for (let k = 0; k < COLD; k++) cold.push(await runClient({ ...arg, cold: true }));
    const r = await runClient(arg);
    await srv.stop();
    for (const k of ['cold', 'importMs']) if (cold.length) r[k] = median(cold.map(c => c[k]));
    for (const c of cold) if (c.errors) r.errors.push(...c.errors);
    runs[name].push(r);
    console.error(`repeat ${rep + 1} ${name.padEnd(14)} ${((Date.now() - t) / 1e3).toFixed(1)} s ${r.errors.join('; ')}`);
  }
}
const ticks = cpuTicks().map((v, i) => v - ticks0[i]);

const result = {
  date: new Date().toISOString(), node: process.version, cpus: os.cpus().length, cpu: os.cpus()[0].model, kernel: os.release(),
  go: execFileSync('go', ['version']).toString().trim(),
  seconds: (Date.now() - began) / 1e3, stealPct: 100 * ticks[7] / ticks.reduce((a, b) => a + b), awake, base, peers: {},
};
for (const n of names) {
  const med = {}, spread = {};
  for (const key of [...ROWS.map(r => r[0]), 'calibJson', 'calibSpin']) {
    const xs = runs[n].map(r => r[key]).filter(Number.isFinite);
    if (!xs.length) continue;
    med[key] = median(xs);
    spread[key] = med[key] ? (Math.max(...xs) - Math.min(...xs)) / med[key] : 0;
  }
  result.peers[n] = { median: med, spread, errors: runs[n].flatMap(r => r.errors), runs: runs[n] };
}
fs.writeFileSync(opt.out, JSON.stringify(result, null, 1));

function table(title, cell) {
  const rows = [[title, '', ...names], ...ROWS.map(r => [r[1], r[2], ...names.map(n => cell(n, r))])].filter((r, i) => !i || r.slice(2).some(c => c !== '-'));
  const w = rows[0].map((_, i) => Math.max(...rows.map(r => r[i].length)));
  console.log('\n' + rows.map(r => r.map((c, i) => (i < 2 ? c.padEnd(w[i]) : c.padStart(w[i]))).join('  ')).join('\n'));
}
const of = (n, what, key) => result.peers[n][what][key];
const num = (x, digits) => (x === undefined ? '-' : x.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }));
table(`MEDIAN of ${opt.reps}`, (n, [key,,, digits]) => num(of(n, 'median', key), digits));
table(`RATIO to ${base}`, (n, [key]) => (of(n, 'median', key) === undefined || !of(base, 'median', key) ? '-' : num(of(n, 'median', key) / of(base, 'median', key), 2)));
table('SPREAD (max-min)/median', (n, [key]) => (of(n, 'spread', key) === undefined ? '-' : `${num(100 * of(n, 'spread', key), 0)}%`));

const range = key => {
  const xs = names.flatMap(n => runs[n].map(r => r[key])).filter(Number.isFinite);
  return `${Math.min(...xs).toFixed(0)} to ${Math.max(...xs).toFixed(0)} ms (median ${median(xs).toFixed(0)})`;
};
console.log(`\nMachine: ${awake ? 'CPUs kept from halting' : 'CPUs may halt'}; the same JSON work took ${range('calibJson')}, the same integer loop ${range('calibSpin')}, ` +
  `in ${names.length * opt.reps} processes; steal ${result.stealPct.toFixed(2)}%; ${result.seconds.toFixed(0)} s in all.`);
for (const n of names) for (const e of result.peers[n].errors) console.log(`ERROR ${n}: ${e}`);
