// This project: authentication by key, schemas and access checks on, as in production.
import { connect } from '../../lib/index.mjs';

export function create({ address, clientKey, engine, window }) {
  let node;
  return {
    connect: async () => {
      node = await connect(address, { key: Buffer.from(clientKey) });
      if (engine === 'process' ? node.engine !== 'process' : node.engine === 'process') {
        const e = new Error(node.engine === undefined ? 'this build has no process engine' : `the engine of the connection is ${node.engine}`);
        throw Object.assign(e, { skip: node.engine === undefined });
      }
    },
    call: (obj) => node.call('/bench/echo', obj),
    subscribe: async (req, onEvent) => {
      for await (const event of node.subscribe('/bench/events', req, { window })) onEvent(event);
    },
    close: () => node.close(),
  };
}
