// Calls and subscriptions: what succeeds, what fails and how.
import assert from 'node:assert/strict';
import diagnostics from 'node:diagnostics_channel';
import { after, before, test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';

const key = generateKey('test');
let head, node, session;

before(async () => {
  head = await serve({ listen: '127.0.0.1:0', authorizedKeys: [`scopes="a,b" ${key.publicKey}`] });
  const opened = new Promise((resolve) => head.once('session', resolve));
  node = await connect(head.address, { key: Buffer.from(key.privateKey) });
  session = await opened;
});
after(async () => {
  await node.close();
  await head.close();
});

const fails = (code) => (error) => error instanceof AlknetError && error.code === code;

test('values travel as JSON, undefined as null, large ones too', async () => {
  for (const value of [null, true, 0, -1.5e300, '', 'é\u2028"\\\u0000😀', [], {}, [1, [2, { a: 'b\tc\n' }]]]) {
    assert.deepEqual(await node.call('/echo/echo', value), value);
  }
  assert.equal(await node.call('/echo/echo'), null);
  const large = 'ü'.repeat(1 << 20);
  assert.equal(await node.call('/echo/echo', large), large);
  assert.equal((await node.call('/node/info')).endpointId, head.endpointId);
});

test('wrong arguments are thrown before anything is sent', () => {
  const throws = (f, kind, text) => assert.throws(f, (error) => error instanceof kind && error.message.includes(text), text);
  throws(() => node.call(1), TypeError, "such as '/ns/op', not a number");
  throws(() => node.call('echo'), TypeError, '"echo" is not of the form /namespace/operation');
  throws(() => node.call('/echo/echo', 1n), TypeError, 'cannot be written as JSON');
  throws(() => node.call('/echo/echo', () => {}), TypeError, 'it is a function');
  const ring = {};
  ring.ring = ring;
  throws(() => node.call('/echo/echo', ring), TypeError, 'circular');
  throws(() => node.call('/echo/echo', 1, { timeOut: 1 }), TypeError, 'did you mean "timeout"?');
  throws(() => node.call('/echo/echo', 1, { timeout: '5s' }), TypeError, 'timeout must be a number');
  throws(() => node.call('/echo/echo', 1, { timeout: -1 }), RangeError, 'want a whole number from 1');
  throws(() => node.call('/echo/echo', 1, { signal: {} }), TypeError, 'must be an AbortSignal');
  throws(() => node.call('/echo/echo', 1, { metadata: { a: 1 } }), TypeError, 'metadata.a must be a string');
  throws(() => node.subscribe('/clock/ticks', null, { window: 0 }), RangeError, 'window is 0');
  throws(() => node.handle('/a/b'), TypeError, 'the handler of /a/b must be a function');
  throws(() => node.handle({ name: '/a/b', inputschema: {} }, () => {}), TypeError, 'did you mean "inputSchema"?');
});

test('errors of the other side carry code, operation and the caller\'s line', async () => {
  await assert.rejects(node.call('/no/such'), (error) => {
    assert.ok(error instanceof AlknetError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.retryable, error.operation], ['AlknetError', 'NOT_FOUND', false, '/no/such']);
    return true;
  });
  async function caller() { await node.call('/no/such'); }
  await assert.rejects(caller, (error) => /calls\.test\.mjs/.test(error.stack) && /caller/.test(error.stack));
});

test('an AlknetError of a handler reaches the caller; anything else stays on its node', async () => {
  await head.handle('/fault/coded', () => { throw new AlknetError('OUT_OF_PAPER', 'tray 2', { details: { tray: 2 }, retryable: true }); });
  await head.handle('/fault/plain', () => { throw new Error('password is hunter2'); });
  await head.handle('/fault/output', () => 1n);
  await assert.rejects(node.call('/fault/coded'), (error) => {
    assert.deepEqual([error.code, error.message, error.details, error.retryable], ['OUT_OF_PAPER', 'tray 2', { tray: 2 }, true]);
    return true;
  });
  for (const [name, text] of [['/fault/plain', 'password'], ['/fault/output', 'BigInt']]) {
    const told = new Promise((resolve) => head.once('handlerError', (error, operation) => resolve([error.message, operation])));
    await assert.rejects(node.call(name), (error) => fails('INTERNAL')(error) && !error.message.includes(text));
    const [message, operation] = await told;
    assert.ok(message.includes(text), message);
    assert.equal(operation, name);
  }
});

test('a handler that never answers: timeout, signal and the handler\'s own signal', async () => {
  const causes = [];
  let started;
  await head.handle('/fault/hang', (input, context) => new Promise(() => {
    started?.();
    context.signal.addEventListener('abort', () => causes.push(context.signal.reason.code));
  }));
  await assert.rejects(node.call('/fault/hang', null, { timeout: 50 }), fails('TIMEOUT'));
  const controller = new AbortController();
  const running = new Promise((resolve) => { started = resolve; });
  const call = node.call('/fault/hang', null, { signal: controller.signal });
  await running;
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(call, (error) => error === reason);
  await assert.rejects(node.call('/fault/hang', null, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  await node.call('/echo/echo'); // what was sent before has been handled
  await head.handle('/fault/causes', () => causes);
  for (let got = []; got.length < 2;) got = await node.call('/fault/causes');
  assert.deepEqual(causes.sort(), ['ABORTED', 'TIMEOUT']);
});

test('registration refuses duplicates, bad schemas and bad names', async () => {
  await head.handle('/reg/once', () => 1);
  await assert.rejects(head.handle('/reg/once', () => 2), (error) => fails('CONFLICT')(error) && /\/reg\/once/.test(error.message));
  assert.equal(await node.call('/reg/once'), 1, 'the first one stays');
  await assert.rejects(head.handle({ name: '/reg/schema', inputSchema: { type: 'objekt' } }, () => 1), (error) => fails('INVALID_INPUT')(error) && /inputSchema/.test(error.message));
  await assert.rejects(head.handle({ name: '/reg/ref', inputSchema: { $ref: 'file:///etc/passwd' } }, () => 1), fails('INVALID_INPUT'));
  await assert.rejects(head.handle({ name: '/reg/type', type: 'stream' }, () => 1), fails('INVALID_INPUT'));
  assert.throws(() => head.handle('/reg', () => 1), TypeError);
  await assert.rejects(node.call('/reg/schema'), fails('NOT_FOUND'));
  head.unhandle('/reg/once');
  await assert.rejects(async () => { for (;;) await node.call('/reg/once'); }, fails('NOT_FOUND'));
  await head.handle('/reg/once', () => 3);
  assert.equal(await node.call('/reg/once'), 3);
});

test('schemas, scopes, visibility and the list of services', async () => {
  const inputSchema = { type: 'object', required: ['n'], properties: { n: { type: 'integer', minimum: 1 } } };
  await head.handle({ name: '/spec/open', inputSchema, description: 'doubles' }, ({ n }) => 2 * n);
  await head.handle({ name: '/spec/mine', accessControl: { requiredScopes: ['a', 'b'] } }, (_, { identity }) => identity.scopes);
  await head.handle({ name: '/spec/theirs', accessControl: { requiredScopesAny: ['c', 'd'] } }, () => 1);
  await head.handle({ name: '/spec/hidden', visibility: 'internal' }, () => 1);
  assert.equal(await node.call('/spec/open', { n: 4 }), 8);
  for (const input of [null, {}, { n: 0 }, { n: 'x' }]) {
    await assert.rejects(node.call('/spec/open', input), (error) => fails('INVALID_INPUT')(error) && error.details.violations.length > 0);
  }
  assert.deepEqual((await node.call('/spec/mine')).sort(), ['a', 'b']);
  await assert.rejects(node.call('/spec/theirs'), fails('FORBIDDEN'));
  await assert.rejects(node.call('/spec/hidden'), fails('NOT_FOUND'));
  const names = (await node.services()).map((operation) => operation.name);
  assert.ok(names.includes('/spec/open') && names.includes('/spec/mine'));
  assert.ok(!names.includes('/spec/hidden') && !names.includes('/spec/theirs'), 'what may not be called is not listed');
  assert.deepEqual((await node.schema('/spec/open')).inputSchema, inputSchema);
});

test('both directions: the head calls the node that connected, also from a handler', async () => {
  await node.handle('/client/name', () => 'client');
  await head.handle('/call/back', async (_, context) => `hello ${await context.session.call('/client/name')}`);
  assert.equal(await session.call('/client/name'), 'client');
  assert.equal(await node.call('/call/back'), 'hello client');
  assert.equal(session.identity.id, node.identity.id);
});

test('diagnostics channels tell of the start, the end and the error of a call', async () => {
  const seen = [];
  const listen = (name) => {
    const listener = (message) => seen.push([name, message.operation, message.error?.code]);
    diagnostics.subscribe(`alknet:call:${name}`, listener);
    return () => diagnostics.unsubscribe(`alknet:call:${name}`, listener);
  };
  const stop = ['start', 'end', 'error'].map(listen);
  await node.call('/echo/echo', 1);
  await node.call('/no/such').catch(() => {});
  stop.forEach((f) => f());
  assert.deepEqual(seen, [['start', '/echo/echo', undefined], ['end', '/echo/echo', undefined], ['start', '/no/such', undefined], ['error', '/no/such', 'NOT_FOUND']]);
});
