// iroh: QUIC from a native addon (Rust). It has no Go side, so its server, iroh-server.mjs, is a Node.js process.
// Calls share one bidirectional stream, frames with ids; each subscription has a stream of its own.
import { connect, CALL, EVENT, END, SUB, frames, writer } from './iroh-wire.mjs';

export function create({ addr, id }) {
  const pending = new Map();
  let conn, ep, calls, nextId = 0;
  return {
    connect: async () => {
      ({ ep, conn } = await connect(addr, id));
      const bi = await conn.openBi();
      calls = writer(bi.send);
      frames(bi.recv, (type, id, json) => {
        const p = pending.get(id);
        pending.delete(id);
        p.resolve(JSON.parse(json));
      }).catch((e) => { for (const p of pending.values()) p.reject(e); });
    },
    call: (obj) => new Promise((resolve, reject) => {
      pending.set(++nextId, { resolve, reject });
      calls(CALL, nextId, JSON.stringify(obj)).catch(reject);
    }),
    subscribe: async (req, onEvent) => {
      const bi = await conn.openBi();
      await writer(bi.send)(SUB, 0, JSON.stringify(req));
      await frames(bi.recv, (type, _, json) => (type === EVENT ? onEvent(JSON.parse(json)) : type === END));
    },
    close: () => ep.close(),
  };
}
