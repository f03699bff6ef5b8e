// Id-correlated JSON-RPC over one WebSocket (ws + bufferutil, compression off).
import WebSocket from 'ws';

export function create({ addr, ca }) {
  const pending = new Map(); // id -> {onEvent?, resolve, reject}
  let ws, nextId = 0;

  function send(method, params, onEvent) {
    return new Promise((resolve, reject) => {
      const id = ++nextId;
      pending.set(id, { onEvent, resolve, reject });
      ws.send(JSON.stringify({ id, method, params }));
    });
  }

  function onMessage(data) {
    const m = JSON.parse(data.toString());
    const p = pending.get(m.id);
    if (m.event !== undefined) return p.onEvent(m.event);
    pending.delete(m.id);
    p.resolve(m.result);
  }

  return {
    connect: () => new Promise((resolve, reject) => {
      ws = new WebSocket(`wss://${addr}/`, { ca, perMessageDeflate: false });
      ws.on('open', resolve);
      ws.on('message', onMessage);
      ws.on('error', reject);
      ws.on('close', () => { for (const p of pending.values()) p.reject(new Error('closed')); });
    }),
    call: obj => send('echo', obj),
    subscribe: (req, onEvent) => send('subscribe', req, onEvent),
    close: () => ws.terminate(),
  };
}
