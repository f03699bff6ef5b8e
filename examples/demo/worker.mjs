// The worker of the demo: dials the head, offers an operation and a subscription, and
// joins as dev1. Usage: worker.mjs ADDRESS KEY_FILE
import { createHash } from 'node:crypto';
import { connect } from '../../lib/index.mjs';

const [address, key] = process.argv.slice(2);
const node = await connect(address, { key });
await node.handle({ name: '/worker/hash', inputSchema: { type: 'string' } }, (text) => createHash('sha256').update(text).digest('hex'));
await node.handle({ name: '/worker/progress', type: 'subscription' }, async function* ({ steps }) {
  try {
    for (let step = 1; step <= steps; step++) yield { step, of: steps };
  } finally {
    process.send({ event: 'the worker\'s generator has ended' });
  }
});
await node.join('dev1');
process.send({ event: 'ready', transport: node.transport });
process.on('message', async () => {
  await node.close();
  process.disconnect();
});
