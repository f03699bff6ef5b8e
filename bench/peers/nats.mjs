// nats.js: request and reply through nats-server to a Go responder; a subscription is an inbox.
import { connect, createInbox } from '@nats-io/transport-node';

export function create({ addr, ca }) {
  let nc;
  return {
    connect: async () => {
      nc = await connect({
        servers: addr, tls: { ca }, reconnect: false,
        noAsyncTraces: true, // without it every request makes Error objects in advance
      });
    },
    call: async (obj) => (await nc.request('echo', JSON.stringify(obj), { timeout: 30e3 })).json(),
    subscribe: (req, onEvent) => new Promise((resolve, reject) => {
      const inbox = createInbox();
      const sub = nc.subscribe(inbox, {
        callback: (err, msg) => {
          if (err) return reject(err);
          if (msg.data.length) return onEvent(msg.json());
          sub.unsubscribe();
          resolve();
        },
      });
      nc.publish('subscribe', JSON.stringify(req), { reply: inbox });
    }),
    close: () => nc.close(),
  };
}
