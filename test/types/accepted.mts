// What must compile, as an ES module.
import alknet, { AlknetError, connect, generateKey, parseAddress, serve, type Context, type Subscription } from 'alknet';

const key = generateKey('laptop');
const server = await serve({ listen: ['127.0.0.1:0'], authorizedKeys: [key.publicKey], limits: { maxInFlight: 10 }, signal: AbortSignal.timeout(1000) });
await server.handle<{ a: number; b: number }, number>({
  name: '/math/add', inputSchema: { type: 'object' }, accessControl: { requiredScopes: ['math'] }, visibility: 'external',
}, ({ a, b }, context: Context) => (context.signal.aborted ? 0 : a + b));
await server.handle({ name: '/math/count', type: 'subscription' }, async function* (input: { to: number }) {
  for (let n = 1; n <= input.to; n++) yield n;
});
await server.handle({ name: '/math/list', type: 'subscription' }, () => [1, 2, 3]);
server.on('session', (session) => { const id: string | undefined = session.identity?.id; void id; });
server.on('sessionClosed', (_session, error) => { const code: string | undefined = error?.code; void code; });
server.on('handlerError', (error: unknown, operation: string) => { void error; void operation; });

await using connection = await connect(server.address, { key: Buffer.from(key.privateKey), reconnect: false });
const sum = await connection.call<number>('/math/add', { a: 1, b: 2 }, { timeout: 1000, metadata: { trace: '1' } });
sum.toFixed();
const numbers: Subscription<number> = connection.subscribe<number>('/math/count', { to: 3 }, { window: 16, idleTimeout: 1000 });
for await (const n of numbers) n.toFixed();
connection.on('disconnect', (error) => error.retryable).on('reconnect', () => {}).unref().ref();
for (const { name } of await connection.services()) name.startsWith('/');
const { inputSchema } = await connection.schema('/math/add');
void inputSchema;
try {
  await connection.call('/no/such');
} catch (error) {
  if (error instanceof AlknetError && error.code === 'NOT_FOUND') error.message.trim();
}
const port: number = parseAddress(server.address).port;
void port;
void alknet.version.length;
await server.close({ drain: 0 });
