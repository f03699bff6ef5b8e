// What a JavaScript socket can do with next to nothing on top: length-prefixed frames with a binary id over node:tls.
// Frame: u32 length | u8 type | u32 id | JSON. Frames written in one tick leave in one write.
import tls from 'node:tls';

const CALL = 0, SUB = 1, EVENT = 2, END = 3, HEAD = 9;

export function create({ addr, ca }) {
  const [host, port] = addr.split(':');
  const pending = new Map(); // id -> {onEvent?, resolve, reject}
  let sock, nextId = 0, corked = false;

  function send(type, obj, onEvent) {
    return new Promise((resolve, reject) => {
      const id = ++nextId, json = JSON.stringify(obj), len = Buffer.byteLength(json);
      const b = Buffer.allocUnsafe(HEAD + len);
      b.writeUInt32BE(5 + len, 0);
      b[4] = type;
      b.writeUInt32BE(id, 5);
      b.write(json, HEAD);
      pending.set(id, { onEvent, resolve, reject });
      if (!corked) {
        corked = true;
        sock.cork();
        process.nextTick(() => { corked = false; sock.uncork(); });
      }
      sock.write(b);
    });
  }

  function frame(type, id, buf, start, end) {
    const p = pending.get(id);
    if (type === EVENT) return p.onEvent(JSON.parse(buf.toString('utf8', start, end)));
    pending.delete(id);
    p.resolve(type === END ? undefined : JSON.parse(buf.toString('utf8', start, end)));
  }

  let parts = [], have = 0, need = HEAD; // bytes kept until `need` of them are here
  function onData(chunk) {
    if (have > 0) {
      parts.push(chunk);
      have += chunk.length;
      if (have < need) return;
      chunk = Buffer.concat(parts, have);
    }
    let o = 0;
    for (need = HEAD; chunk.length - o >= HEAD; need = HEAD) {
      need = 4 + chunk.readUInt32BE(o);
      if (chunk.length - o < need) break;
      frame(chunk[o + 4], chunk.readUInt32BE(o + 5), chunk, o + HEAD, o + need);
      o += need;
    }
    have = chunk.length - o;
    parts = have ? [o ? chunk.subarray(o) : chunk] : [];
  }

  return {
    connect: () => new Promise((resolve, reject) => {
      sock = tls.connect({ host, port, ca }, resolve);
      sock.setNoDelay(true);
      sock.on('data', onData);
      sock.on('error', reject);
      sock.on('close', () => { for (const p of pending.values()) p.reject(new Error('closed')); });
    }),
    call: obj => send(CALL, obj),
    subscribe: (req, onEvent) => send(SUB, req, onEvent),
    close: () => sock.destroy(),
  };
}
