// node bench/forward.mjs [--reps 3] [--seconds 1.5] [--transports quic,tls] [--events 1000000]
// What passing on costs: the same worker called directly and through a head, each a
// process of its own, by callers in Go and in Node.js; what the head's CPU spends on a
// call; and what the head holds in memory while a reader of a subscription pauses.
// Direct and relayed runs alternate; the figures are medians.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { connect } from '../lib/index.mjs';

const { values: opt } = parseArgs({
  options: { reps: { type: 'string', default: '3' }, seconds: { type: 'string', default: '1.5' }, transports: { type: 'string', default: 'quic,tls' }, events: { type: 'string', default: '1000000' } },
});
const seconds = Number(opt.seconds);
const root = new URL('..', import.meta.url).pathname;
const [alknet, benchd] = [path.join(root, 'bin/alknet'), path.join(root, 'build/benchd')];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-relay-'));
const file = (name) => path.join(folder, name);
const children = new Set();

function start(command, args, input) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ALKNET_HOME: folder } });
  children.add(child);
  child.once('exit', () => children.delete(child));
  if (input !== undefined) child.stdin.write(`${JSON.stringify(input)}\n`);
  return child;
}

async function line(child) {
  const [text] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => { throw new Error(`a process ended with ${code}`); }),
  ]);
  return JSON.parse(text);
}

// CPU seconds of a process, in steps of 10 ms.
function cpu(pid) {
  const f = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(f[11]) + Number(f[12])) / 100;
}
const memory = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

async function goLoad(work) {
  const child = start(benchd, ['-mode', 'load'], { key: file('client'), size: 100, ...work });
  return line(child);
}

async function nodeLoad({ address, call, callers }) {
  const node = await connect(address, { key: file('client') });
  const input = { seq: 1, kind: 'bench', data: 'x'.repeat(66) };
  let count = 0;
  const run = async (end) => { while (performance.now() < end) { await node.call(call, input); count++; } };
  const all = (ms) => Promise.all(Array.from({ length: callers }, () => run(performance.now() + ms)));
  await all(seconds * 333);
  count = 0;
  const began = performance.now();
  await all(seconds * 1000);
  const told = { count, seconds: (performance.now() - began) / 1000 };
  await node.close();
  return told;
}

const median = (xs) => xs.sort((a, b) => a - b)[xs.length >> 1];
const n = (x, digits = 0) => x.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });

async function world(transport) {
  const listen = `${transport}://127.0.0.1:0`;
  const head = start(alknet, ['serve', '--listen', listen, '--key', file('head'), '--json', '--log-level', 'warn']);
  const { addresses: [through] } = await line(head);
  const worker = start(benchd, ['-mode', 'worker'], { address: through, key: file('worker'), name: 'w', listen, client: `scopes="bench" ${publicKeys.client}` });
  const { address: direct } = await line(worker);
  return {
    head, direct: { address: direct, call: '/bench/echo', stream: '/bench/events' }, relayed: { address: through, call: '/w/bench/echo', stream: '/w/bench/events' },
    async end() {
      for (const child of [worker, head]) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
    },
  };
}

const publicKeys = {};
try {
  for (const [name, scopes] of [['head', ''], ['worker', 'node:register'], ['client', 'bench']]) {
    publicKeys[name] = JSON.parse(execFileSync(alknet, ['--home', folder, 'key', 'generate', '--json', file(name)], { encoding: 'utf8' })).publicKey;
    if (scopes) execFileSync(alknet, ['--home', folder, 'authorize', publicKeys[name], '--scopes', scopes]);
  }
  console.log(`${os.cpus().length} × ${os.cpus()[0].model}, Linux ${os.release()}, Node.js ${process.version}\n`);
  console.log('| calls of 100 B | direct, calls/s | through a head | ratio | head CPU a call | mean latency, direct and through |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const transport of opt.transports.split(',')) {
    for (const [client, load, callers] of [['Go', goLoad, 256], ['Go', goLoad, 16], ['Go', goLoad, 1], ['Node.js', nodeLoad, 256], ['Node.js', nodeLoad, 16]]) {
      const w = await world(transport);
      const rates = { direct: [], relayed: [] };
      const spent = [];
      for (let rep = 0; rep < Number(opt.reps); rep++) {
        for (const way of rep % 2 ? ['relayed', 'direct'] : ['direct', 'relayed']) {
          const before = cpu(w.head.pid);
          const { count, seconds: took } = await load({ ...w[way], callers, seconds, stream: undefined });
          rates[way].push(count / took);
          if (way === 'relayed') spent.push((cpu(w.head.pid) - before) * 1e6 / (count * 4 / 3)); // the warm-up is a third more
        }
      }
      const [direct, relayed] = [median(rates.direct), median(rates.relayed)];
      console.log(`| ${client}, ${callers} callers, ${transport} | ${n(direct)} | ${n(relayed)} | ${n(relayed / direct, 2)} | ${n(median(spent), 1)} µs | ${n(callers / direct * 1e6)} µs, ${n(callers / relayed * 1e6)} µs |`);
      await w.end();
    }
  }
  console.log('\n| one subscription | events/s, direct | through a head | head memory before, peak |\n| --- | --- | --- | --- |');
  for (const transport of opt.transports.split(',')) {
    for (const [what, pause] of [['read steadily', 0], ['read with pauses of 5 ms', 5]]) {
      const w = await world(transport);
      const before = memory(w.head.pid, 'VmRSS');
      const rate = async (way) => {
        const told = await goLoad({ ...w[way], call: undefined, events: Number(opt.events) / (pause ? 5 : 1), pause });
        if (told.count !== Number(opt.events) / (pause ? 5 : 1)) throw new Error(`${told.count} events arrived`);
        return told.count / told.seconds;
      };
      const relayed = await rate('relayed');
      const peak = memory(w.head.pid, 'VmHWM');
      console.log(`| ${n(Number(opt.events) / (pause ? 5 : 1))} events of 100 B, ${what}, ${transport} | ${n(await rate('direct'))} | ${n(relayed)} | ${n(before)} MB, ${n(peak)} MB |`);
      await w.end();
    }
  }
} finally {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true });
}
