// One suite over every transport, both ways.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { connect, serve, generateKey, AlknetError } from '../../lib/index.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-'));
after(() => rmSync(folder, { recursive: true }));

const listens = {
  quic: 'quic://127.0.0.1:0', tls: 'tls://127.0.0.1:0', tcp: 'tcp://127.0.0.1:0', unix: `unix://${path.join(folder, 's')}`, alknet: '127.0.0.1:0',
};

for (const [name, listen] of Object.entries(listens)) {
  test(`both sides call and subscribe over ${name}`, { timeout: 60_000 }, async () => {
    const key = generateKey('client');
    const server = await serve({ listen, authorizedKeys: [key.publicKey] });
    const opened = new Promise((resolve) => server.once('session', resolve));
    await server.handle({ name: '/math/add', inputSchema: { type: 'object', required: ['a', 'b'] } }, ({ a, b }) => a + b);
    await server.handle({ name: '/count/up', type: 'subscription' }, async function* ({ n }) { for (let i = 0; i < n; i++) yield i; });
    await server.handle({ name: '/admin/only', accessControl: { requiredScopes: ['admin'] } }, () => 1);

    const client = await connect(server.address, { key: Buffer.from(key.privateKey) });
    assert.equal(client.identity.id, key.fingerprint);
    assert.equal(client.transport, name === 'alknet' ? 'quic' : name);
    assert.equal(await client.call('/math/add', { a: 1, b: 2 }), 3);
    assert.equal(await client.call('/echo/echo', 'é中🔑\n'), 'é中🔑\n');
    const large = 'x'.repeat(3_000_000);
    assert.equal(await client.call('/echo/echo', large), large);

    let next = 0;
    for await (const event of client.subscribe('/count/up', { n: 5000 }, { window: 32 })) assert.equal(event, next++);
    assert.equal(next, 5000);
    for await (const event of client.subscribe('/count/up', { n: 1e9 })) if (event === 700) break;

    const code = (expected) => (error) => error instanceof AlknetError && error.code === expected;
    await assert.rejects(client.call('/admin/only'), code('FORBIDDEN'));
    await assert.rejects(client.call('/math/add', {}), code('INVALID_INPUT'));
    await assert.rejects(client.call('/none/such'), code('NOT_FOUND'));

    await client.handle('/client/double', (n) => 2 * n);
    await client.handle({ name: '/client/count', type: 'subscription' }, async function* () { for (let i = 0; i < 1000; i++) yield i; });
    const session = await opened;
    assert.equal(await session.call('/client/double', 21), 42);
    next = 0;
    for await (const event of session.subscribe('/client/count')) assert.equal(event, next++);
    assert.equal(next, 1000);

    await client.close();
    await server.close();
    await assert.rejects(client.call('/math/add', { a: 1, b: 2 }), code('UNAVAILABLE'));
  });
}
