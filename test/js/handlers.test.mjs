// Handlers that misbehave, and what shows of secrets when things are printed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';
import { Program } from './fixtures/program.mjs';

const clientKey = generateKey('client');
let head, node, reported;

before(async () => {
  head = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  node = await connect(head.address, { key: Buffer.from(clientKey.privateKey) });
  head.on('handlerError', (error, operation) => reported.push([operation, error]));
});
beforeEach(() => { reported = []; });
after(async () => {
  await node.close();
  await head.close();
});

const fails = (code) => (error) => error instanceof AlknetError && error.code === code;
const INTERNAL = 'the operation failed; its node has logged why';

let unique = 0;
/** Offers `handler` under a name of its own. */
async function offer(type, handler) {
  const name = `/test/number${++unique}`;
  await head.handle({ name, type }, handler);
  return name;
}

async function collect(name, input, options) {
  const events = [];
  for await (const event of node.subscribe(name, input, options)) events.push(event);
  return events;
}

test('whatever a handler throws is answered and reported', { timeout: 60_000 }, async () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const hostile = Object.defineProperty({}, 'name', { get() { throw new Error('of the getter'); } });
  const things = [undefined, null, 0, '', 'text', Symbol('s'), 1n, Object.create(null), revoked.proxy, hostile, new Error('plain'), () => {}];
  for (const thing of things) {
    for (const handler of [() => { throw thing; }, () => Promise.reject(thing), async () => { throw thing; }]) {
      reported = [];
      const call = await offer('query', handler);
      await assert.rejects(node.call(call), (error) => fails('INTERNAL')(error) && error.message === INTERNAL);
      const stream = await offer('subscription', handler);
      await assert.rejects(collect(stream), fails('INTERNAL'));
      assert.equal(reported.length, 2);
      assert.ok(reported.every(([, error]) => Object.is(error, thing)));
      assert.deepEqual(reported.map(([operation]) => operation), [call, stream]);
    }
  }
});

test('an AlknetError with parts that are not JSON is answered with what is', { timeout: 60_000 }, async () => {
  const cases = {
    getter: [{ details: { get secret() { throw new Error('no'); } } }, 'CODED', undefined],
    bigint: [{ details: 1n }, 'CODED', undefined],
    circular: [{ details: (() => { const ring = {}; ring.ring = ring; return ring; })() }, 'CODED', undefined],
    toJSON: [{ details: { toJSON() { throw new Error('no'); } } }, 'CODED', undefined],
    fine: [{ details: { a: [1, null] } }, 'CODED', { a: [1, null] }],
    function: [{ details: () => {} }, 'CODED', undefined],
  };
  for (const [what, [options, code, details]] of Object.entries(cases)) {
    const name = await offer('query', () => { throw new AlknetError('CODED', 'text', options); });
    await assert.rejects(node.call(name), (error) => {
      assert.deepEqual([error.code, error.message, error.details], [code, 'text', details], what);
      return true;
    });
  }
  assert.deepEqual(reported, []);
  for (const code of [undefined, 5n, {}, Symbol('c'), '']) {
    const name = await offer('query', () => { throw Object.assign(new AlknetError('CODED', 'hunter2'), { code }); });
    await assert.rejects(node.call(name), (error) => fails('INTERNAL')(error) && !error.message.includes('hunter2'));
  }
  const symbol = await offer('query', () => { throw Object.assign(new AlknetError('CODED', ''), { message: { toString() { throw new Error('no'); } } }); });
  await assert.rejects(node.call(symbol), fails('INTERNAL'));
});

test('an error of a subclass, and of another copy of the package', { timeout: 60_000 }, async () => {
  class PaperError extends AlknetError {}
  assert.ok(new PaperError('A', 'b') instanceof AlknetError);
  assert.ok(new PaperError('A', 'b') instanceof PaperError);
  assert.ok(!(new AlknetError('A', 'b') instanceof PaperError));
  for (const other of [null, undefined, 1, {}, new Error('x')]) assert.ok(!(other instanceof AlknetError));
  const foreign = Object.assign(new Error('of another copy'), { code: 'OUT_OF_PAPER', retryable: false, [Symbol.for('alknet.AlknetError')]: true });
  for (const error of [new PaperError('OUT_OF_PAPER', 'of another copy'), foreign]) {
    const name = await offer('query', () => { throw error; });
    await assert.rejects(node.call(name), (got) => got.code === 'OUT_OF_PAPER' && got.message === 'of another copy');
  }
});

test('outputs: promises, thenables, undefined, and what is not JSON', { timeout: 60_000 }, async () => {
  const answers = async (handler) => node.call(await offer('query', handler));
  assert.equal(await answers(() => ({ then: (resolve) => resolve(5) })), 5);
  assert.equal(await answers(async () => ({ then: (resolve) => resolve(6) })), 6);
  assert.equal(await answers(() => undefined), null);
  assert.deepEqual(await answers(() => ({ a: undefined, b: NaN, c: new Date(0) })), { b: null, c: '1970-01-01T00:00:00.000Z' });
  // A thenable that settles more than once: the first word counts.
  assert.equal(await answers(() => ({ then: (resolve, reject) => { resolve(1); resolve(2); reject(new Error('late')); } })), 1);
  const ring = {};
  ring.ring = ring;
  for (const [output, text] of [[ring, 'circular'], [1n, 'BigInt'], [() => {}, 'function'], [{ toJSON() { throw new Error('of toJSON'); } }, 'of toJSON']]) {
    reported = [];
    await assert.rejects(answers(() => output), fails('INTERNAL'));
    assert.ok(reported[0][1] instanceof TypeError && reported[0][1].message.includes(text), reported[0][1].message);
    await assert.rejects(collect(await offer('subscription', () => [output])), fails('INTERNAL'));
  }
});

test('iterables of every kind, as for await takes them', { timeout: 60_000 }, async () => {
  const streams = async (handler) => collect(await offer('subscription', handler));
  assert.deepEqual(await streams(() => [1, Promise.resolve(2), 3]), [1, 2, 3]);
  assert.deepEqual(await streams(function* () { yield Promise.resolve(1); yield 2; }), [1, 2]);
  assert.deepEqual(await streams(async () => new Set(['a', 'b'])), ['a', 'b']);
  assert.deepEqual(await streams(() => []), []);
  assert.deepEqual(await streams(() => ({ [Symbol.asyncIterator]: () => ({ n: 0, next() { return { done: ++this.n > 2, value: this.n }; } }) })), [1, 2]);
  let returned = 0;
  const iterator = (next) => ({ [Symbol.asyncIterator]: () => ({ next, return() { returned++; return { done: true }; } }) });
  const faulty = {
    'next throws': iterator(() => { throw new Error('no'); }),
    'next rejects': iterator(() => Promise.reject(new Error('no'))),
    'next gives nothing': iterator(() => undefined),
    'the promise of an event rejects': [Promise.reject(new Error('no'))],
    'no iterable': 5,
    nothing: undefined,
    'Symbol.asyncIterator throws': { get [Symbol.asyncIterator]() { throw new Error('no'); } },
  };
  faulty['the promise of an event rejects'][0].catch(() => {});
  for (const [what, value] of Object.entries(faulty)) {
    reported = [];
    await assert.rejects(streams(() => value), fails('INTERNAL'), what);
    assert.equal(reported.length, 1, what);
  }
  assert.equal(returned, 0, 'an iterator that failed or ended by itself is not told to return');
  await streams(() => iterator(() => ({ done: true })));
  assert.equal(returned, 0);
  const name = await offer('subscription', () => iterator(() => ({ done: false, value: 1 })));
  for await (const event of node.subscribe(name)) if (event === 1) break;
  while (returned === 0) await node.call('/echo/echo');
  assert.equal(returned, 1);
});

test('generators that hang or throw in their finally, or ignore their signal', { timeout: 60_000 }, async () => {
  let state;
  const stop = async (handler, options) => {
    const name = await offer('subscription', handler);
    state = [];
    for await (const _ of node.subscribe(name, null, options)) break;
  };
  const until = async (what) => { while (!state.includes(what)) await node.call('/echo/echo'); };
  // Hangs in its finally: nobody waits for it.
  await stop(async function* () { try { for (;;) yield 1; } finally { state.push('hangs'); await new Promise(() => {}); } });
  await until('hangs');
  // Throws there: reported, since the caller has gone.
  for (const handler of [
    async function* () { try { for (;;) yield 1; } finally { state.push('threw'); throw new Error('of the finally'); } },
    function* () { try { for (;;) yield 1; } finally { state.push('threw'); throw new Error('of the finally'); } },
  ]) {
    await stop(handler);
    while (reported.length === 0) await node.call('/echo/echo');
    assert.deepEqual(reported.map(([, error]) => error.message), ['of the finally']);
    reported = [];
  }
  // Stuck in an await that ignores the signal: its caller is released, and what it yields late is dropped.
  let release;
  await stop(async function* (_, { signal }) {
    yield 1;
    await new Promise((resolve) => { release = resolve; });
    state.push(signal.aborted ? 'late, aborted' : 'late');
    yield 2;
    state.push('resumed after its return');
  }, { window: 2 });
  do await node.call('/echo/echo'); while (!release);
  release();
  await until('late, aborted');
  await node.call('/echo/echo');
  assert.deepEqual(state, ['late, aborted']);
  // Stops with an AbortError because its signal said so: that is no failure.
  await stop(async function* (_, { signal }) {
    yield 1;
    state.push('waits');
    await new Promise((_, reject) => signal.addEventListener('abort', () => { state.push('stopped'); reject(new DOMException('stopped', 'AbortError')); }));
  });
  await until('stopped');
  await node.call('/echo/echo');
  assert.deepEqual(reported, []);
});

test('a call whose handler fails after its caller has gone: reported, unless its signal stopped it', { timeout: 60_000 }, async () => {
  for (const [make, expected] of [[() => new Error('late'), 1], [() => new DOMException('stopped', 'AbortError'), 0], [(signal) => signal.reason, 0]]) {
    reported = [];
    let failed;
    const over = new Promise((resolve) => { failed = resolve; });
    const name = await offer('query', (_, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => { reject(make(signal)); setImmediate(failed); })));
    const controller = new AbortController();
    const call = node.call(name, null, { signal: controller.signal });
    await node.call('/echo/echo');
    controller.abort();
    await assert.rejects(call, { name: 'AbortError' });
    await over;
    assert.equal(reported.length, expected);
  }
});

test('an endless producer and a caller without a window: other things go on', { timeout: 30_000 }, async () => {
  let produced = 0, ended;
  const stopped = new Promise((resolve) => { ended = resolve; });
  const name = await offer('subscription', async function* () { try { for (;;) { produced++; yield 'x'; } } finally { ended(); } });
  assert.equal(await node.call(name), 'x'); // a call of a subscription sends no window
  await stopped;
  assert.ok(produced < 10_000, `${produced} events`);
});

test('operations that come and go while they are called', { timeout: 60_000 }, async () => {
  const codes = new Set();
  let going = true, served = 0;
  const callers = Array.from({ length: 8 }, async () => {
    while (going) {
      try {
        assert.equal(await node.call('/flicker/now', 1), 2);
        served++;
      } catch (error) {
        if (!(error instanceof AlknetError)) throw error;
        codes.add(error.code);
      }
    }
  });
  for (let i = 0; i < 300; i++) {
    await head.handle('/flicker/now', (n) => n + 1);
    await node.call('/echo/echo');
    head.unhandle('/flicker/now');
    if (i % 2) await node.call('/echo/echo'); // else it is back before any caller could notice
  }
  going = false;
  await Promise.all(callers);
  assert.ok(served > 0);
  assert.deepEqual([...codes], ['NOT_FOUND']);
  // Several offers at once: the first good one counts, whatever the others were.
  const bad = { name: '/flicker/now', inputSchema: { type: 'objekt' } };
  const offers = [[bad, () => 'bad'], ['/flicker/now', () => 'good'], ['/flicker/now', () => 'second'], [bad, () => 'bad']];
  const settled = await Promise.allSettled(offers.map(([spec, handler]) => head.handle(spec, handler)));
  assert.deepEqual(settled.map(({ reason }) => reason?.code), ['INVALID_INPUT', undefined, 'CONFLICT', 'INVALID_INPUT']);
  assert.equal(await node.call('/flicker/now'), 'good');
});

test('the requests of a session have one session object, which is also the announced one', { timeout: 60_000 }, async () => {
  const seen = new Set();
  const name = await offer('query', (_, { session }) => { seen.add(session); });
  const opened = once(head, 'session');
  const other = await connect(head.address, { key: Buffer.from(clientKey.privateKey), peerScopes: ['mine'] });
  await Promise.all(Array.from({ length: 20 }, () => other.call(name)));
  const [session] = await opened;
  assert.deepEqual([...seen], [session]);
  assert.equal(session.transport, 'tcp');
  assert.equal(session.identity.id, clientKey.fingerprint);
  seen.clear();
  await other.handle('/client/who', (_, context) => { seen.add(context.session); return context.identity.scopes; });
  assert.deepEqual(await session.call('/client/who'), ['mine']);
  await session.call('/client/who');
  assert.equal(seen.size, 1);
  await other.close();
});

test('without a listener the first error of each operation is a process warning', { timeout: 30_000 }, async (t) => {
  const { code, stdout, stderr } = await Program.fixture(t, 'warnings.mjs').ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split('\n'), ['AlknetHandlerWarning /warn/one first', 'AlknetHandlerWarning /warn/two first']);
});

test('nothing that is printed shows a key, a passphrase or a token', { timeout: 60_000 }, async () => {
  const key = Buffer.from(clientKey.privateKey), passphrase = 'hunter2-hunter2', token = 'A'.repeat(139);
  const errors = [];
  const attempt = (options) => connect(head.address, options).then((other) => other.close(), (error) => errors.push(error));
  await attempt({ key, passphrase: passphrase.repeat(9000) });
  await attempt({ key: clientKey.privateKey });
  await attempt({ key: Buffer.concat([Buffer.from('x'), key.subarray(60)]), passphrase });
  await attempt({ key: Buffer.from(clientKey.privateKey.replace(/[A-Z]/g, 'Q')), passphrase });
  await attempt({ token });
  await attempt({ key, tokn: token });
  await serve({ key: clientKey.privateKey }).catch((error) => errors.push(error));
  await node.call('/echo/echo', null, { authToken: token }).catch((error) => errors.push(error));
  assert.equal(errors.length, 8);
  const shown = [head, node, node.subscribe('/clock/ticks'), ...head.sessions, ...errors]
    .map((thing) => `${inspect(thing, { depth: 20, showHidden: true, getters: true })} ${thing.stack ?? ''} ${JSON.stringify(thing)} ${String(thing)}`).join('\n');
  const secrets = [passphrase, token, ...clientKey.privateKey.split('\n').filter((line) => line.length > 10 && !line.includes('-----'))];
  for (const secret of secrets) assert.ok(!shown.includes(secret), `${secret.slice(0, 8)}… is shown`);
  assert.ok(shown.includes(clientKey.fingerprint), 'this looks at what is shown');
});

test('what a handler returned is closed at once when its caller leaves', { timeout: 60_000 }, async () => {
  const { Readable } = await import('node:stream');
  const first = () => {
    let given = false;
    return () => !given && (given = true);
  };
  // Each gives one event, and then nothing; `closed` resolves when it was told to end.
  const sources = {
    'a stream of Node.js': (close) => {
      const give = first();
      return new Readable({ objectMode: true, read() { if (give()) this.push(1); }, destroy(error, done) { close(); done(error); } });
    },
    'a web stream': (close) => {
      const give = first();
      return new ReadableStream({ pull(controller) { return give() ? controller.enqueue(1) : new Promise(() => {}); }, cancel: close });
    },
    'an iterator': (close) => {
      const give = first();
      return { [Symbol.asyncIterator]: () => ({ next: () => (give() ? Promise.resolve({ value: 1, done: false }) : new Promise(() => {})), return: async () => { close(); return { done: true }; } }) };
    },
  };
  for (const [what, make] of Object.entries(sources)) {
    for (const how of ['break', 'abort', 'timeout', 'close', 'late']) {
      let closed, begun;
      const over = new Promise((resolve) => { closed = resolve; });
      const running = new Promise((resolve) => { begun = resolve; });
      const name = await offer('subscription', async (_, { signal }) => {
        begun();
        if (how === 'late') await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return make(closed);
      });
      const caller = await connect(head.address, { key: Buffer.from(clientKey.privateKey) });
      const controller = new AbortController();
      const events = caller.subscribe(name, null, { signal: controller.signal, ...(how === 'timeout' && { timeout: 300 }) });
      if (how === 'late') await running;
      else await events.next();
      if (how === 'break') await events.return();
      else if (how === 'abort' || how === 'late') controller.abort();
      else if (how === 'close') {
        events.next().catch(() => {});
        await caller.close({ drain: 0 });
      }
      await over.then(() => {}, () => assert.fail(`${what} after ${how}`));
      await caller.close({ drain: 0 });
    }
  }
});

test('what toJSON throws is the cause, whatever it is', { timeout: 60_000 }, async () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const thrown of [null, undefined, 'text', 0, Symbol('s'), revoked.proxy, { get message() { throw new Error('x'); } }]) {
    const bad = () => ({ toJSON() { throw thrown; } });
    await assert.rejects(async () => node.call('/x/y', bad()), (error) => error instanceof TypeError && /cannot be written as JSON/.test(error.message) && Object.is(error.cause, thrown));
    for (const type of ['query', 'subscription']) {
      reported = [];
      const name = await offer(type, type === 'query' ? bad : async function* () { yield bad(); });
      await assert.rejects(type === 'query' ? node.call(name) : collect(name), fails('INTERNAL'));
      assert.match(reported[0][1].message, /cannot be written as JSON/);
    }
  }
});

test('codes of errors have their form, and errors survive JSON', () => {
  for (const code of ['', 'lower', 'WITH SPACE', '9_LIVES', 'A'.repeat(65), 'É', undefined, null, 7, 'A\nB', ['A']]) {
    assert.throws(() => new AlknetError(code, 'x'), TypeError);
  }
  const error = new AlknetError('A'.repeat(64), 'tray 2', { details: { tray: 2 }, retryable: true, operation: '/x/y' });
  assert.deepEqual(JSON.parse(JSON.stringify(error)), { name: 'AlknetError', message: 'tray 2', code: error.code, retryable: true, details: { tray: 2 }, operation: '/x/y' });
  assert.deepEqual(structuredClone({ ...error }), { code: error.code, retryable: true, details: { tray: 2 }, operation: '/x/y' });
});

test('the second handler of a name never answers', { timeout: 60_000 }, async () => {
  const name = await offer('query', () => 'first');
  let stop = false;
  const callers = Array.from({ length: 8 }, async () => {
    while (!stop) assert.equal(await node.call(name), 'first');
  });
  for (let i = 0; i < 200; i++) {
    const offered = head.handle(name, () => 'second');
    const answer = node.call(name);
    await assert.rejects(offered, fails('CONFLICT'));
    assert.equal(await answer, 'first');
  }
  stop = true;
  await Promise.all(callers);
});
