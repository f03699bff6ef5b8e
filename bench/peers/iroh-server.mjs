// The server of iroh.mjs. Its events are those of ../server/source.go.
import { setTimeout as sleep } from 'node:timers/promises';
import { CALL, SUB, EVENT, END, frames, listen, writer } from './iroh-wire.mjs';

const ep = await listen();
globalThis.keep = ep; // an endpoint that is collected drops its connections
console.log(JSON.stringify({ addr: ep.boundSockets().find(a => a.startsWith('127.')), id: ep.id().toString() }));
process.stdin.resume().on('end', () => process.exit(0));

const monoUs = () => Number(process.hrtime.bigint() / 1000n);
const groups = new Map();
function barrier(name, size) {
  let g = groups.get(name);
  if (!g) {
    g = { n: 0 };
    g.open = new Promise(r => { g.release = () => r(monoUs()); });
    setTimeout(g.release, 5000);
    groups.set(name, g);
  }
  if (++g.n >= size) g.release();
  return g.open;
}

async function events({ n, size, everyMs = 0, phaseMs, group, groupSize }, send) {
  const start = everyMs && await barrier(group, groupSize) + 100_000 + phaseMs * 1000;
  for (let seq = 0; seq < n; seq++) {
    let t = monoUs();
    if (everyMs) {
      const due = start + seq * everyMs * 1000;
      if (due > t) await sleep((due - t) / 1000);
      t = due;
    }
    const head = `{"seq":${seq},"t":${t},"pad":"`;
    const sent = send(EVENT, 0, `${head}${'x'.repeat(size - 2 - head.length)}"}`);
    if (everyMs || seq % 256 === 255) await sent; // back-pressure
  }
  await send(END, 0, '');
}

const ignore = () => {}; // a client that is gone
async function serve(incoming) {
  const conn = await (await incoming.accept()).connect();
  conn.setMaxConcurrentBiStreams(2000n); // the default would stall workload e
  for (;;) {
    const bi = await conn.acceptBi();
    const send = writer(bi.send);
    frames(bi.recv, (type, id, json) => {
      if (type === SUB) events(JSON.parse(json), send).catch(ignore);
      else if (type === CALL) send(CALL, id, json).catch(ignore);
    }).catch(ignore);
  }
}
for (let inc; (inc = await ep.acceptNext());) serve(inc).catch(ignore);
