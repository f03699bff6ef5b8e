// One fresh process: one peer, one repeat. Takes what the server told as JSON in its only
// argument and prints one line of JSON: {metric: number, ...}.
// With "cold":true it makes one call and reports how long the first one took; with "quick":true it does a tenth of the work.
import fs from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const arg = JSON.parse(process.argv[2]);
const now = () => performance.now();
const out = { errors: [] };

// ---- payloads: {"seq":N,"kind":"bench","data":"xxx"} of `size` bytes of JSON (to within the digits of seq)
const pads = new Map();
function make(seq, size) {
  let data = pads.get(size);
  if (!data) pads.set(size, data = 'abcdefghij'.repeat(size / 10).slice(0, size - 40));
  return { seq, kind: 'bench', data };
}
function verify(r, seq, size) {
  if (r.seq !== seq || r.data.length !== size - 40) throw new Error(`wrong answer to ${seq}`);
}

const t0 = now();
let t1, peer;
try {
  const { create } = await import(`./peers/${arg.peer}.mjs`);
  t1 = now();
  peer = create(arg);
  await peer.connect();
  verify(await peer.call(make(0, 100)), 0, 100);
} catch (e) {
  await done(e.skip ? { skip: e.message, errors: [] } : { gone: true, errors: [`the first call: ${e.message}`] });
}
if (arg.cold) await done({ cold: now() - t1, importMs: t1 - t0, errors: [] });

// ---- measuring
const pct = (xs, p) => xs[Math.min(xs.length - 1, Math.floor(xs.length * p))];

// The fields of /proc/PID/stat behind the name: state, parent, …
const stat = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');

function cpuOf(pid) { // seconds, in steps of 10 ms
  const f = stat(pid);
  return (Number(f[11]) + Number(f[12])) / 100;
}

// What the client has started, such as an engine of its own, works for it.
const helpers = fs.readdirSync('/proc').filter((name) => {
  try {
    return /^\d+$/.test(name) && Number(stat(name)[1]) === process.pid;
  } catch { return false; } // it has just ended
});

function clientCpu() { // seconds
  const own = process.cpuUsage();
  return helpers.reduce((sum, pid) => sum + cpuOf(pid), (own.user + own.system) / 1e6);
}

// Runs fn between two readings of the clock, the CPU time of both processes and the event loop's use.
async function measured(fn) {
  const elu = performance.eventLoopUtilization(), cpu = clientCpu(), srv = cpuOf(arg.pid), t = now();
  const r = await fn();
  const sec = (now() - t) / 1e3;
  return {
    ...r, sec, cpu: clientCpu() - cpu, srv: cpuOf(arg.pid) - srv,
    elu: performance.eventLoopUtilization(elu).utilization,
  };
}

// A closed loop of `conc` callers for `ms`; every answer is checked. Latencies in µs, sorted.
let seq = 0;
async function load(conc, size, ms) {
  const lat = [], end = now() + ms;
  await Promise.all(Array.from({ length: conc }, async () => {
    while (now() < end) {
      const n = ++seq, obj = make(n, size), t = now();
      const r = await peer.call(obj);
      lat.push((now() - t) * 1e3);
      verify(r, n, size);
    }
  }));
  return { calls: lat.length, lat: Float64Array.from(lat).sort() };
}

async function calls(key, conc, size, ms) {
  await load(conc, size, ms / 3); // warm-up
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const m = await measured(() => load(conc, size, ms));
  loop.disable();
  out[`${key}_rate`] = m.calls / m.sec;
  out[`${key}_p50`] = pct(m.lat, 0.5);
  out[`${key}_p99`] = pct(m.lat, 0.99);
  out[`${key}_elu`] = m.elu;
  out[`${key}_cpu100k`] = m.cpu * 1e5 / m.calls;
  out[`${key}_srv100k`] = m.srv * 1e5 / m.calls;
  out[`${key}_loop99`] = Math.max(0, loop.percentile(99) / 1e6 - 1); // less the sampling interval
  out[`${key}_MBps`] = m.calls * size / 1e6 / m.sec;
}

async function stream(n) {
  let next = 0, wrong = 0;
  await peer.subscribe({ n, size: 100 }, ev => { if (ev.seq !== next++) wrong++; });
  if (next !== n || wrong) throw new Error(`${next} events of ${n}, ${wrong} out of order`);
}

async function fanout(subs, n, everyMs) {
  const monoUs = Number(process.hrtime.bigint()) / 1e3 - now() * 1e3; // the server's clock
  const lag = [], began = now();
  let first = Infinity, wrong = 0, failed = 0;
  const all = Array.from({ length: subs }, (_, i) => {
    let next = 0;
    return peer.subscribe({ n, size: 100, everyMs, phaseMs: i % everyMs, group: `e${process.pid}`, groupSize: subs }, ev => {
      if (ev.seq !== next++) wrong++;
      lag.push(monoUs + now() * 1e3 - ev.t);
      if (ev.t < first) first = ev.t;
    }).catch(e => { if (!failed++) out.errors.push(`e: ${e.message}`); });
  });
  await Promise.race([Promise.all(all), sleep(n * everyMs + 8000, 0, { ref: false })]);
  lag.sort((a, b) => a - b);
  if (wrong) throw new Error(`${wrong} events out of order`);
  return { delivered: lag.length / (subs * n), lag, openMs: (first - monoUs) / 1e3 - 100 - began };
}

const part = arg.quick ? 0.1 : 1;
const workloads = {
  a: async () => { await calls('a1', 1, 100, 900 * part); await calls('a16', 16, 100, 900 * part); await calls('a256', 256, 100, 1800 * part); },
  b: () => calls('b', 16, 10_000, 900 * part),
  c: () => calls('c', 4, 1_000_000, 1200 * part),
  d: async () => {
    const n = 200_000 * part;
    await stream(n / 10); // warm-up
    const m = await measured(() => stream(n));
    out.d_rate = n / m.sec;
    out.d_elu = m.elu;
    out.d_cpu100k = m.cpu * 1e5 / n;
    out.d_srv100k = m.srv * 1e5 / n;
  },
  e: async () => {
    const m = await measured(() => fanout(1000 * part, 50 * part, 100));
    Object.assign(out, { e_delivered: m.delivered, e_p50: pct(m.lag, 0.5) / 1e3, e_p99: pct(m.lag, 0.99) / 1e3, e_open: m.openMs, e_cpu: m.cpu, e_srv: m.srv });
  },
};

// How fast is the machine just now? The same work each time, in ms: JSON (memory) and integers (the bare core).
function calibrate() {
  const s = JSON.stringify(Array.from({ length: 200 }, (_, i) => make(i, 100)));
  for (let i = 0; i < 200; i++) JSON.stringify(JSON.parse(s));
  const t = now();
  for (let i = 0; i < 800; i++) JSON.stringify(JSON.parse(s));
  const t2 = now();
  let x = 1;
  for (let i = 0; i < 2e7; i++) x = (x * 1664525 + 1013904223) | 0;
  Object.assign(out, { calibJson: t2 - t, calibSpin: now() - t2, x });
}

calibrate();
if (arg.only.includes('a')) await load(16, 100, 1000 * part); // lets the JIT settle before the first measurement
for (const [name, run] of Object.entries(workloads)) {
  if (!arg.only.includes(name)) continue;
  try {
    await Promise.race([run(), sleep(25_000, 0, { ref: false }).then(() => { throw new Error('timed out after 25 s'); })]);
  } catch (e) {
    out.errors.push(`${name}: ${e.message}`);
  }
}
const peak = (pid) => Number(/^VmHWM:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
out.rssMB = helpers.reduce((sum, pid) => sum + peak(pid), process.resourceUsage().maxRSS / 1024);
await done(out);

// Ends the process, so that it never resolves.
function done(r) {
  for (const k in r) if (typeof r[k] === 'number') r[k] = Number.isFinite(r[k]) ? Number(r[k].toPrecision(5)) : null;
  return new Promise(() => { process.stdout.write(JSON.stringify(r) + '\n', () => process.exit(0)); });
}
