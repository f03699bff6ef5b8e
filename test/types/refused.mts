// What must not compile: each comment makes the compiler fail where there is no error.
import { AlknetError, Connection, Credential, CredentialStore, SecretKey, SecretStore, connect, generateKey, generateMnemonic, serve } from 'alknet';

const server = await serve();
// @ts-expect-error listeners need a restart
await server.reload({ listen: ':4433' });
// @ts-expect-error the keys of the structure are in camel case
await serve({ config: { limits: { max_frame: 1 } } });
// @ts-expect-error an address is required
await connect();
// @ts-expect-error no such option
await connect('alknet://host', { keyFile: '/key' });
// @ts-expect-error milliseconds, not text
await connect('alknet://host', { timeout: '5s' });
// @ts-expect-error made by connect()
new Connection();
// @ts-expect-error a subscription's handler gives an iterable
await server.handle({ name: '/a/b', type: 'subscription' }, () => 1);
// @ts-expect-error no such type
await server.handle({ name: '/a/b', type: 'stream' }, () => 1);
// @ts-expect-error an operation has a name
await server.handle({ type: 'query' }, () => 1);
// @ts-expect-error a handler is required
await server.handle('/a/b');
// @ts-expect-error a handler's identity has scopes, not scope
await server.handle('/a/b', () => 1, { identity: { scope: ['x'] } });
// @ts-expect-error a handler invokes under its own identity
await server.handle('/a/b', (_, context) => context.invoke('a', 'b', null, { authToken: 'x' }));
// @ts-expect-error a server joins through a connection
await server.join('x');
// @ts-expect-error no such event
server.on('sessions', () => {});
// @ts-expect-error read-only
server.address = 'x';
// @ts-expect-error an error has a code and a message
new AlknetError('NOT_FOUND');
// @ts-expect-error a subscription is not a promise of an array
const list: number[] = await (await connect('alknet://host')).subscribe('/a/b');
// @ts-expect-error the comment is text
generateKey(1);
void list;

const store = new SecretStore();
// @ts-expect-error no such option
new SecretStore({ exportible: false });
// @ts-expect-error phrases have 12, 15, 18, 21 or 24 words
generateMnemonic({ words: 13 });
// @ts-expect-error no such wordlist
generateMnemonic({ wordlist: 'klingon' });
// @ts-expect-error a mnemonic is required
await store.unlock();
// @ts-expect-error keys are derived
new SecretKey();
// @ts-expect-error no such type of key
await store.derive('m', 'rsa');
// @ts-expect-error a key cannot be changed
(await store.derive("m/0'")).path = 'm';
// @ts-expect-error a plaintext is bytes, which can be wiped
await store.encrypt('text');
// @ts-expect-error EncryptedData has an iv
await store.decrypt({ key_version: 2, salt: '', data: '' });
// @ts-expect-error an identity comes from a store
await connect('alknet://host', { identity: 'm' });
// @ts-expect-error no such event
store.on('unlock', () => {});
// @ts-expect-error no such class of characters
await store.password('site', { classes: ['greek'] });
// @ts-expect-error a folder is required
const credentials = new CredentialStore(new SecretStore());
// @ts-expect-error made by CredentialStore.get
new Credential();
// @ts-expect-error a username is required
await credentials.add('mail', { type: 'basic', password: 'x' });
// @ts-expect-error no such type
await credentials.add('mail', { type: 'password', password: 'x' });
// @ts-expect-error no such part
await credentials.add('github', { type: 'bearer', token: 'x', header: 'y' });
// @ts-expect-error a secret is no property
(await credentials.get('github')).token;
// @ts-expect-error the credentials come from a store, not from a folder's name
await serve({ credentials: 'credentials' });
// @ts-expect-error names, not one name
await server.handle('/a/b', () => 1, { credentials: 'github' });
