// Heads and clients that die: kill -9 with a thousand requests in flight, over every
// transport, and ends that are in order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';
import { alknet, Program } from './fixtures/program.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-death-'));
after(() => fs.rmSync(folder, { recursive: true }));

const IN_FLIGHT = 1000;
const BOUND = 1000; // ms from the loss of the session to the last rejection

const headKey = generateKey('head'), clientKey = generateKey('client');
const files = { key: path.join(folder, 'head_key'), authorized: path.join(folder, 'authorized_keys') };
fs.writeFileSync(files.key, headKey.privateKey, { mode: 0o600 });
fs.writeFileSync(files.authorized, `${clientKey.publicKey}\n`);

const key = () => Buffer.from(clientKey.privateKey);
const unavailable = (error) => error instanceof AlknetError && error.code === 'UNAVAILABLE' && error.retryable;
const firstAddress = (transport, name) => (transport === 'unix' ? `unix://${path.join(folder, name)}` : `${transport}://127.0.0.1:0`);

// A promise that is looked at later.
function pending(promise) {
  promise.catch(() => {});
  return promise;
}

// A head's address without its key, to listen there again.
const listenAddress = (address) => address.replace(/\/\/[^/]*@/, '//');

const heads = {
  JavaScript: {
    start: (t, listen) => Program.fixture(t, 'head.mjs', [listen, files.key, files.authorized]),
    // Calls that are never answered.
    async begin(node) {
      const calls = Array.from({ length: IN_FLIGHT }, () => pending(node.call('/hang/hang')));
      while ((await node.call('/hang/counts')).hung < IN_FLIGHT);
      return calls;
    },
    async check(node) { assert.deepEqual(await node.call('/hang/counts'), { hung: 0, aborted: 0 }, 'nothing was sent again'); },
  },
  binary: {
    start: (t, listen) => new Program(t, alknet, ['--home', folder, 'serve', '--listen', listen, '--key', files.key]),
    // Subscriptions whose second event would come tomorrow.
    async begin(node) {
      const streams = Array.from({ length: IN_FLIGHT }, () => node.subscribe('/clock/ticks', { interval: 86_400_000 }));
      await Promise.all(streams.map((stream) => stream.next()));
      return streams.map((stream) => pending(stream.next()));
    },
    async check(node) { assert.equal(await node.call('/echo/echo', 'well'), 'well'); },
  },
};

async function ready(program) { return (await program.line(/^\s*address\s+(\S+)$/))[1]; }

describe('kill -9 of a head with 1,000 requests in flight', { concurrency: 2 }, () => {
  for (const [kind, { start, begin, check }] of Object.entries(heads)) {
    for (const transport of ['quic', 'tls', 'tcp', 'unix']) {
      test(`${kind}, ${transport}: they fail within a second of the loss, nothing is sent again, the client comes back`, { timeout: 60_000 }, async (t) => {
        const head = start(t, firstAddress(transport, `${kind}.sock`));
        const address = await ready(head);
        const node = await connect(address, { key: key() });
        t.after(() => node.close());
        let lost;
        const disconnected = once(node, 'disconnect').then(([error]) => { lost = performance.now(); return error; });
        const reconnected = once(node, 'reconnect');
        const requests = await begin(node);

        head.kill('SIGKILL');
        assert.equal((await head.ended).signal, 'SIGKILL');
        let again;
        let last;
        const begun = Promise.allSettled(requests).then(() => { last = performance.now(); });
        if (transport === 'quic') {
          // A dead peer and a silent one look the same for up to 30 s, but a head that is
          // back answers what is not of it with a stateless reset.
          again = start(t, listenAddress(address));
          await ready(again);
          if (lost === undefined) requests.push(pending(node.call('/echo/echo'))); // it may have sent something by itself
        }
        const results = await Promise.allSettled(requests);
        await begun;
        assert.ok(unavailable(await disconnected));
        const wrong = results.filter(({ reason }) => !unavailable(reason));
        assert.equal(wrong.length, 0, `${wrong.length} did not fail with UNAVAILABLE: ${wrong[0]?.reason ?? wrong[0]?.value}`);
        assert.ok(last - lost < BOUND, `the last failed ${last - lost} ms after the loss`);

        if (transport !== 'quic') {
          await assert.rejects(node.call('/echo/echo'), (error) => unavailable(error) && /reconnecting/.test(error.message));
          again = start(t, listenAddress(address));
          await ready(again);
        }
        await reconnected;
        await check(node);
        assert.equal(node.endpointId, headKey.endpointId);
      });
    }
  }
});

for (const transport of ['tls', 'tcp', 'unix']) {
  test(`kill -9 of a client, ${transport}: its session ends and the signals of its requests fire`, { timeout: 60_000 }, async (t) => {
    const head = await serve({ listen: firstAddress(transport, 'client.sock'), key: files.key, authorizedKeys: files.authorized });
    t.after(() => head.close());
    const codes = [];
    let begun, all;
    const busy = new Promise((resolve) => { begun = resolve; });
    const cancelled = new Promise((resolve) => { all = resolve; });
    let hung = 0;
    await head.handle('/hang/hang', (_, { signal }) => new Promise(() => {
      signal.addEventListener('abort', () => { if (codes.push(signal.reason.code) === IN_FLIGHT) all(); });
      if (++hung === IN_FLIGHT) begun();
    }));
    const client = Program.fixture(t, 'client.mjs', ['hang', head.address], { env: { TEST_KEY: clientKey.privateKey } });
    const closed = once(head, 'sessionClosed');
    await busy;
    assert.equal(head.sessions.length, 1);
    client.kill('SIGKILL');
    const [session] = await closed;
    await cancelled;
    assert.deepEqual([...new Set(codes)], ['UNAVAILABLE']);
    assert.equal(session.identity.id, clientKey.fingerprint);
    assert.deepEqual(head.sessions, []);
    await assert.rejects(session.call('/any/thing'), unavailable);
  });
}

test('a head that closes in order lets calls finish, and fails the rest', { timeout: 60_000 }, async (t) => {
  const head = heads.JavaScript.start(t, '127.0.0.1:0');
  const node = await connect(await ready(head), { key: key() });
  t.after(() => node.close());
  const disconnected = once(node, 'disconnect');
  const held = pending(node.call('/hang/hold')), hung = pending(node.call('/hang/hang'));
  while ((await node.call('/hang/counts')).hung === 0);
  head.kill('SIGTERM');
  assert.equal(await held, 'finished');
  await assert.rejects(node.call('/echo/echo'), unavailable);
  await assert.rejects(hung, unavailable);
  assert.ok(unavailable((await disconnected)[0]));
  const { code, stdout } = await head.ended;
  assert.equal(code, 0);
  assert.match(stdout, /closed\n$/);
});

test('without reconnecting, the loss of the head ends the connection', { timeout: 60_000 }, async (t) => {
  const head = heads.JavaScript.start(t, 'tcp://127.0.0.1:0');
  const node = await connect(await ready(head), { key: key(), reconnect: false });
  const closed = once(node, 'close');
  head.kill('SIGKILL');
  assert.ok(unavailable((await closed)[0]));
  assert.equal(node.closed, true);
  await assert.rejects(node.call('/echo/echo'), unavailable);
  await node.close();
});
