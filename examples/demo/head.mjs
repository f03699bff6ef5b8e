// The head of the demo: listens on a free port, and calls back every worker that
// connects. Usage: head.mjs KEY_FILE AUTHORIZED_KEYS
import { serve } from '../../lib/index.mjs';

const [key, authorizedKeys] = process.argv.slice(2);
const head = await serve({ listen: '127.0.0.1:0', key, authorizedKeys, name: 'demo' });

await head.handle({ name: '/admin/secret', accessControl: { requiredScopes: ['admin'] } }, () => 'never reached in the demo');
await head.handle({
  name: '/math/add', type: 'query', description: 'Adds two numbers',
  inputSchema: { type: 'object', required: ['a', 'b'], properties: { a: { type: 'number' }, b: { type: 'number' } } },
}, ({ a, b }) => a + b);

let worker;
const workers = [];
head.on('session', (session) => {
  if (!session.identity?.scopes.includes('worker')) return;
  worker = session;
  for (const wake of workers.splice(0)) wake();
});
const connected = () => (worker ? undefined : new Promise((resolve) => workers.push(resolve)));

// What the worker offers, the head asks it for: an operation and a subscription.
await head.handle('/work/hash', async (text) => {
  await connected();
  return worker.call('/worker/hash', text);
});
await head.handle({ name: '/work/progress', type: 'subscription' }, async function* (input, ctx) {
  await connected();
  yield* worker.subscribe('/worker/progress', input, { signal: ctx.signal });
});

process.send({ address: head.address, fingerprint: head.fingerprint });
process.on('message', async () => {
  await head.close();
  process.disconnect();
});
