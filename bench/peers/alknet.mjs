// This project: authentication by key, schemas and access checks on, as in production.
import { connect } from '../../lib/index.mjs';

export function create({ address, clientKey }) {
  let node;
  return {
    connect: async () => { node = await connect(address, { key: Buffer.from(clientKey) }); },
    call: (obj) => node.call('/bench/echo', obj),
    subscribe: async (req, onEvent) => {
      for await (const event of node.subscribe('/bench/events', req)) onEvent(event);
    },
    close: () => node.close(),
  };
}
