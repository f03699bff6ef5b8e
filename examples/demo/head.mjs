// The head of the demo: listens on a free port, and has operations of its own, some of
// which ask its workers. Usage: head.mjs KEY_FILE AUTHORIZED_KEYS
import { serve } from '../../lib/index.mjs';
import { offer } from '../agent/agent.mjs';

const [key, authorizedKeys] = process.argv.slice(2);
const head = await serve({ listen: '127.0.0.1:0', key, authorizedKeys, name: 'demo' });

await head.handle({ name: '/admin/secret', accessControl: { requiredScopes: ['admin'] } }, () => 'never reached in the demo');
await head.handle({
  name: '/math/add', type: 'query', description: 'Adds two numbers',
  inputSchema: { type: 'object', required: ['a', 'b'], properties: { a: { type: 'number' }, b: { type: 'number' } } },
}, ({ a, b }) => a + b);

// What the worker offers, handlers of the head ask it for: these may do that and no more.
await head.handle('/work/hash', (text, { invoke }) => invoke('dev1/worker', 'hash', text), { reach: ['/dev1/worker/hash'] });
await head.handle({ name: '/work/progress', type: 'subscription' }, (input, { subscribe }) => subscribe('dev1/worker', 'progress', input), { reach: ['/dev1/worker/progress'] });
await offer(head); // /agent/…

process.send({ address: head.address, fingerprint: head.fingerprint });
process.on('message', async () => {
  await head.close();
  process.disconnect();
});
