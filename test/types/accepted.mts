// What must compile, as an ES module.
import alknet, {
  AlknetError, CredentialStore, SecretStore, connect, generateKey, generateMnemonic, parseAddress, serve, validateMnemonic, wordlists,
  type Context, type Credential, type CredentialInput, type CredentialProvider, type EncryptedData, type SecretIdentity, type SecretKey, type Subscription, type Wordlist,
} from 'alknet';

const key = generateKey('laptop');
const server = await serve({ listen: ['127.0.0.1:0'], authorizedKeys: [key.publicKey], limits: { maxInFlight: 10, maxWaiting: 0 }, signal: AbortSignal.timeout(1000) });
await server.handle<{ a: number; b: number }, number>({
  name: '/math/add', inputSchema: { type: 'object' }, accessControl: { requiredScopes: ['math'] }, visibility: 'external',
}, ({ a, b }, context: Context) => (context.signal.aborted ? 0 : a + b));
await server.handle({ name: '/math/count', type: 'subscription' }, async function* (input: { to: number }) {
  for (let n = 1; n <= input.to; n++) yield n;
});
await server.handle({ name: '/math/list', type: 'subscription' }, () => [1, 2, 3]);
await server.handle('/agent/run', async (input: { path: string }, context) => {
  const text = await context.invoke<{ content: string }>('dev1/fs', 'read', input, { timeout: 1000, continueRunning: true });
  for await (const line of context.subscribe<string>('dev1/log', 'tail', null, { window: 4 })) line.trim();
  const who: string | undefined = context.forwardedFor?.id ?? context.handlerIdentity.scopes[0];
  return [text.content, who];
}, { identity: { scopes: ['fs:read'] }, reach: ['/dev1/fs/*', '/dev1/log/tail'] });
server.on('session', (session) => { const id: string | undefined = session.identity?.id; void id; });
server.on('sessionClosed', (_session, error) => { const code: string | undefined = error?.code; void code; });
server.on('handlerError', (error: unknown, operation: string) => { void error; void operation; });

await using connection = await connect(server.address, { key: Buffer.from(key.privateKey), reconnect: false, limits: { maxWaiting: 100 } });
const fate = (error: AlknetError): boolean | undefined => error.sent;
void fate;
const sum = await connection.call<number>('/math/add', { a: 1, b: 2 }, { timeout: 1000, metadata: { trace: '1' } });
sum.toFixed();
const numbers: Subscription<number> = connection.subscribe<number>('/math/count', { to: 3 }, { window: 16, idleTimeout: 1000 });
for await (const n of numbers) n.toFixed();
await connection.join('laptop', { timeout: 1000, signal: AbortSignal.timeout(1000) });
connection.on('left', (error) => error.code === 'CONFLICT');
await connection.leave();
await connect(server.address, { head: await serve({ access: [{ path: '/*/bash/*', scopes: ['shell'] }] }) });
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

const phrase: Uint8Array = generateMnemonic({ words: 12, wordlist: 'czech' });
const list: Wordlist = validateMnemonic(phrase);
wordlists.includes(list);
using secrets = new SecretStore({ exportable: false, requireLockedMemory: true, cacheSize: 0, cacheTtl: Infinity, idleTimeout: 60_000, sealCounts: { 2: 5 } });
secrets.on('audit', ({ action, path, code }) => { void [action === 'export', path?.length, code === 'LOCKED']; }).once('warning', (message) => message.trim());
await secrets.unlock(phrase, { passphrase: 'x', signal: AbortSignal.timeout(1000) });
const made: Uint8Array = await new SecretStore().create({ words: 24 });
made.fill(0);
const identityKey: SecretKey = await secrets.derive("m/74'/0'/0'/0'");
const signature: Uint8Array = identityKey.signSync(new Uint8Array(3));
void signature;
const sealed: EncryptedData = await secrets.encrypt(new Uint8Array(3), { version: 3, wipe: false });
const opened: Uint8Array = secrets.decryptSync(JSON.stringify(sealed));
void [opened, secrets.rotateSync(sealed, { version: 4 }).key_version.toFixed()];
void (await secrets.password('example.com', { length: 12, classes: ['lower', 'digits'] })).length;
void (await secrets.ethereum.signTypedData({ types: {}, primaryType: 'Mail', domain: { chainId: 1n }, message: {} }, { index: 1 })).startsWith('0x');
const identity: SecretIdentity = secrets.identity();
await connect(server.address, { identity });
const reloaded = await server.reload({ config: { limits: { connections: 9, openTimeout: '2s' }, auth: { keys: [{ publicKey: 'ssh-ed25519 AAAA', certAuthority: true }] } }, allowAnonymous: false });
const endedSessions: number = reloaded.ended + reloaded.restart.length;
await serve({ config: '/etc/alknet/alknet.toml', limits: { failuresPerAddress: 0 } });
void endedSessions;
await serve({ identity, listen: '127.0.0.1:0', authorizedKeys: [identity.publicKey] });
const state: 'locked' | 'unlocked' = secrets.status.state;
void [state, secrets.locked satisfies boolean, await secrets.authToken({ at: new Date() }), await secrets.sshPrivateKey({ passphrase: new Uint8Array(1) })];
secrets.lock({ disconnect: true });
await serve({ engine: 'process', listen: '127.0.0.1:0' });
const apart = new SecretStore({ engine: 'process' });
const where: 'addon' | 'process' = apart.engine;
void [where, (await connect('unix:///s', { engine: 'addon' })).engine satisfies 'addon' | 'process'];

const credentials = new CredentialStore(new SecretStore(), { directory: 'credentials' });
const input: CredentialInput = { type: 's3', accessKeyId: 'AKIA', secretAccessKey: new Uint8Array(8), region: 'eu-1' };
const { added, fields } = await credentials.add('minio', input, { replace: true, wipe: false });
void [added.getTime(), fields.region?.length];
await credentials.add('vault', { type: 'custom', fields: { pin: '0042', pem: new Uint8Array(8) } });
const minio: Credential = await credentials.get('minio');
const secretKey: Uint8Array = await minio.secret('secretAccessKey');
secretKey.fill(0);
const asText: string = minio.textSync('secretAccessKey');
void asText;
for (const entry of await credentials.list()) if (entry.error?.code === 'DECRYPTION_FAILED') await credentials.remove(entry.service);
credentials.on('audit', ({ action, service, operation, code }) => { void [action === 'open', service, operation, code]; });
const providers: CredentialProvider[] = [credentials, { get: async () => minio }];
const signing = await serve({ credentials: providers[0] });
await signing.handle('/issues/list', async (_, ctx) => fetch('https://example.com', { headers: await (await ctx.credentials('github')).headers() }), { credentials: ['github'] });
await connect(signing.address, { credentials });
