// Relative paths are meant when a function is called; a removed working folder matters
// only where a relative path is given.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { generateKey } from '../../lib/index.mjs';
import { Program, root } from './fixtures/program.mjs';

const lib = path.join(root, 'lib', 'index.mjs');
const run = (t, source) => new Program(t, process.execPath, ['--input-type=module', '-e', `import fs from 'node:fs'; import { connect, SecretStore, serve } from ${JSON.stringify(lib)};${source}`], { cwd: os.tmpdir() }).ended;

test('process.chdir behind a call', { timeout: 60_000 }, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-folder-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const key = generateKey('client');
  fs.writeFileSync(path.join(folder, 'keys'), `${key.publicKey}\n`, { mode: 0o600 });
  fs.writeFileSync(path.join(folder, 'key'), key.privateKey, { mode: 0o600 });
  fs.writeFileSync(path.join(folder, 'c.toml'), '[auth]\nauthorized_keys = "keys"\n', { mode: 0o600 });
  const { stdout, stderr } = await run(t, `
    const from = (f) => { process.chdir(${JSON.stringify(folder)}); const promise = f(); process.chdir('/'); return promise; };
    const listen = 'tls://127.0.0.1:0';
    for (const options of [{ authorizedKeys: 'keys' }, { key: 'key' }, { config: 'c.toml' }]) await (await from(() => serve({ listen, ...options }))).close();
    const head = await from(() => serve({ listen, config: 'c.toml' }));
    await head.reload();
    await from(() => head.reload({ authorizedKeys: 'keys' }));
    await (await from(() => connect(head.address, { key: 'key' }))).close();
    await head.close();
    console.log('done');`);
  assert.equal(stdout, 'done\n', stderr);
});

test('a working folder that was removed', { timeout: 60_000 }, async (t) => {
  const { stdout, stderr } = await run(t, `
    const gone = fs.mkdtempSync('/tmp/alknet-gone-');
    process.chdir(gone);
    fs.rmdirSync(gone);
    const head = await serve({ listen: 'tls://127.0.0.1:0', allowAnonymous: true });
    await head.handle('/x/y', (input) => input);
    const node = await connect(head.address);
    const store = new SecretStore();
    await store.create();
    console.log(await node.call('/x/y', 1));
    await serve({ authorizedKeys: 'relative' }).catch((error) => console.log(error.code));
    await node.close();
    await head.close();
    store.dispose();`);
  assert.equal(stdout, '1\nENOENT\n', stderr);
});
