// Frames over iroh streams, for iroh.mjs and iroh-server.mjs: u32 length | u8 type | u32 id | JSON.
import { createRequire } from 'node:module';

// @number0/iroh only chooses between packages like this one, some of which some registries lack.
const iroh = createRequire(import.meta.url)('@number0/iroh-linux-x64-gnu');

export const CALL = 0, SUB = 1, EVENT = 2, END = 3, HEAD = 9;
const ALPN = [...Buffer.from('bench/1')];

async function endpoint(alpns = []) {
  const b = iroh.Endpoint.builder();
  iroh.presetMinimal(b); // no relays, no discovery
  b.relayMode(iroh.RelayMode.disabled());
  b.bindAddr('127.0.0.1:0');
  b.bindAddr('[::1]:0');
  b.alpns(alpns);
  return b.bind();
}

export const listen = () => endpoint([ALPN]);

export async function connect(addr, id) {
  const ep = await endpoint();
  return { ep, conn: await ep.connect(new iroh.EndpointAddr(iroh.EndpointId.fromString(id), null, [addr]), ALPN) };
}

// Frames handed over while a write is under way leave together in the next one. Resolves when they have left.
// The addon takes and gives bytes as arrays of numbers, and refuses a Buffer.
export function writer(send) {
  let queue = [], running = null;
  async function run() {
    await null; // gather what this tick sends
    while (queue.length) {
      const out = Array.from(Buffer.concat(queue));
      queue = [];
      await send.writeAll(out);
    }
    running = null;
  }
  return (type, id, json) => {
    const b = Buffer.allocUnsafe(HEAD + Buffer.byteLength(json));
    b.writeUInt32BE(b.length - 4, 0);
    b[4] = type;
    b.writeUInt32BE(id, 5);
    b.write(json, HEAD);
    queue.push(b);
    return running ??= run();
  };
}

// Reads frames until the stream ends or onFrame(type, id, json) returns true.
export async function frames(recv, onFrame) {
  let parts = [], have = 0, need = HEAD;
  for (;;) {
    const got = Buffer.from(await recv.read(1 << 18));
    if (!got.length) return;
    parts.push(got);
    have += got.length;
    if (have < need) continue;
    const buf = parts.length > 1 ? Buffer.concat(parts, have) : got;
    let o = 0;
    for (need = HEAD; buf.length - o >= HEAD; need = HEAD) {
      need = 4 + buf.readUInt32BE(o);
      if (buf.length - o < need) break;
      if (onFrame(buf[o + 4], buf.readUInt32BE(o + 5), buf.toString('utf8', o + HEAD, o + need)) === true) return;
      o += need;
    }
    have = buf.length - o;
    parts = have ? [buf.subarray(o)] : [];
  }
}
