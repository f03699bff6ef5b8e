// What is measured side by side: the name of a column and
//
//   peer      its client: a module of peers/
//   mode      of its server, benchd; or server, a command instead. A server prints one line of JSON, which its client gets
//   options   what its client gets besides
//   env       of its client
//   platform  the only one where it runs
//   extra     measured only when --columns names it
//   uses      what it stands on, whose versions a run tells
const iroh = '@number0/iroh-linux-x64-gnu';

const alknet = (mode, more) => ({ peer: 'alknet', mode, uses: ['alknet'], ...more });

export const COLUMNS = {
  'alknet-quic': alknet('alknet-quic', { uses: ['alknet', 'github.com/quic-go/quic-go'] }),
  'alknet-tls': alknet('alknet-tls'),
  'alknet-tcp': alknet('alknet-tcp', { extra: true }),
  'alknet-unix': alknet('alknet-unix'),
  'alknet-process': alknet('alknet-tls', { options: { engine: 'process' }, env: { ALKNET_ENGINE: 'process' } }),
  'ws-json': { peer: 'ws-json', mode: 'ws-json', uses: ['ws', 'bufferutil', 'github.com/coder/websocket'] },
  grpc: { peer: 'grpc', mode: 'grpc', uses: ['@grpc/grpc-js', 'google.golang.org/grpc'] },
  nats: { peer: 'nats', mode: 'nats', uses: ['@nats-io/transport-node', 'github.com/nats-io/nats-server/v2', 'github.com/nats-io/nats.go'] },
  undici: { peer: 'undici', mode: 'http1', options: { h2: false }, uses: ['undici'] },
  'undici-h2': { peer: 'undici', mode: 'http2', options: { h2: true }, uses: ['undici'] },
  iroh: { peer: 'iroh', server: [process.execPath, new URL('peers/iroh-server.mjs', import.meta.url).pathname], platform: 'linux-x64', uses: [iroh] },
  floor: { peer: 'floor', mode: 'floor', uses: [] },
};

export const USUAL = Object.keys(COLUMNS).filter((name) => !COLUMNS[name].extra);

/** The columns of a list of names with commas; throws for a name that is none. */
export function choose(list) {
  const names = list.split(',');
  for (const name of names) if (!Object.hasOwn(COLUMNS, name)) throw new Error(`no column is called '${name}': there are ${Object.keys(COLUMNS).join(', ')}`);
  return [...new Set(names)];
}
