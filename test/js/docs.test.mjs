// The documentation: its examples run, its exchanges happen as written, its links and
// the tests that it names exist. DOCS_UPDATE=1 writes the exchanges of PROTOCOL.md anew.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generateKey, publicKey, serve } from '../../lib/index.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = (...names) => path.join(root, ...names);
const read = (...names) => fs.readFileSync(file(...names), 'utf8');
const run = promisify(execFile);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-docs-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const pages = ['README.md', 'SECURITY.md', 'CHANGELOG.md', 'CONTRIBUTING.md',
  ...fs.readdirSync(file('docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ...fs.readdirSync(file('docs', 'guide')).map((name) => `docs/guide/${name}`)];
const guides = pages.filter((page) => page.startsWith('docs/guide/'));

/** The fenced blocks of a page: { language, text, line }. */
function blocks(page) {
  const found = [];
  let open;
  for (const [i, line] of read(page).split('\n').entries()) {
    const fence = /^```(\S*) ?(\S*)/.exec(line);
    if (!fence) open?.lines.push(line);
    else if (open) {
      found.push({ language: open.language, line: open.line, name: open.name, text: open.lines.map((l) => `${l}\n`).join('') });
      open = undefined;
    } else open = { language: fence[1], name: fence[2], line: i + 1, lines: [] };
  }
  assert.equal(open, undefined, `${page}: a block is not closed`);
  return found;
}

// The console blocks of this page are run by TestGuide of go/cmd/alknet.
const consolePage = 'docs/guide/secret-cli.md';

/** Runs a program in a home of its own; returns what it printed. */
async function runScript(page, block) {
  // Inside the checkout, so that 'alknet' is found by its own name.
  const script = file('build', 'docs', `${path.basename(page, '.md')}-${block.line}.mjs`);
  fs.mkdirSync(path.dirname(script), { recursive: true });
  fs.writeFileSync(script, block.text);
  const { stdout, stderr } = await run(process.execPath, [script], { cwd: fs.mkdtempSync(path.join(folder, 'home-')), timeout: 30_000 });
  assert.equal(stderr, '');
  return stdout;
}

for (const block of blocks('README.md')) {
  if (block.language === 'go') {
    // `go test` runs it there.
    test(`README.md:${block.line} is the example of package alknet`, () => {
      for (const part of block.text.split(/\n(?=func )/)) assert.ok(read('go/example_test.go').includes(part.replace(/\}\n$/, '').trim()), part);
    });
    continue;
  }
  assert.equal(block.language, 'js', `README.md:${block.line}`);
  test(`README.md:${block.line} runs`, { timeout: 60_000 }, () => runScript('README.md', block));
}

// ---- Guides: `js` blocks run, and print what the `text` block behind them holds. The
// `sh` blocks of a page run as one script, with a home of its own. Blocks that name a
// file are files of a test of their own: those of bundlers.md.

for (const page of guides) {
  const all = blocks(page).filter(({ language, name }) => (language !== 'console' || page !== consolePage) && (!name || page !== 'docs/guide/bundlers.md'));
  for (const { language, line } of all) assert.ok(['js', 'sh', 'text', 'ts', 'json'].includes(language), `${page}:${line}: a block of ${language || 'no language'} is not run`);

  for (const [i, block] of all.entries()) {
    if (block.language === 'json') test(`${page}:${block.line} is JSON`, () => void JSON.parse(block.text));
    if (block.language !== 'js') continue;
    test(`${page}:${block.line} runs`, { timeout: 60_000 }, async () => {
      const stdout = await runScript(page, block);
      const next = all[i + 1];
      if (next?.language === 'text') assert.equal(stdout, next.text);
    });
  }

  const shell = all.filter((block) => block.language === 'sh').map((block) => block.text);
  if (shell.length > 0) {
    test(`${page}: its commands run`, { timeout: 60_000 }, async () => {
      const home = fs.mkdtempSync(path.join(folder, 'home-'));
      const env = { ...process.env, HOME: home, ALKNET_HOME: '', XDG_STATE_HOME: '', PATH: `${file('bin')}${path.delimiter}${process.env.PATH}` };
      await run('bash', ['-euo', 'pipefail', '-c', shell.join('\n')], { cwd: home, env, timeout: 50_000 });
    });
  }
}

// ---- PROTOCOL.md

const frameOf = (text) => {
  const body = Buffer.from(text);
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, 4);
  return frame;
};

/** Frames of a socket, one at a time; undefined at its end. */
async function* framesOf(socket) {
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const size = rest.readUInt32BE(0);
      yield rest.subarray(4, 4 + size).toString();
      rest = rest.subarray(4 + size);
    }
  }
}

/** A token as section 4.1 says, made without the engine. */
function tokenOf(privateKey, seconds) {
  const raw = crypto.createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
  const signed = Buffer.alloc(40);
  crypto.createHash('sha256').update(raw).digest().copy(signed);
  signed.writeBigUInt64BE(BigInt(seconds), 32);
  return { raw, signed, token: Buffer.concat([signed, crypto.sign(null, signed, privateKey)]).toString('base64url') };
}

const ed25519 = (seed) => crypto.createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
const sshLine = (raw) => `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), raw]).toString('base64')} example`;

test('PROTOCOL.md: the token of the worked example is what its parts give', () => {
  const values = Object.fromEntries(blocks('docs/PROTOCOL.md').find((b) => b.language === 'token').text.trim().split('\n').map((l) => l.split(/ {2,}/)));
  const made = tokenOf(ed25519(Buffer.from(values['secret key'], 'hex')), BigInt(`0x${values.timestamp}`));
  assert.equal(made.raw.toString('hex'), values['public key']);
  const { endpointId, fingerprint } = publicKey(sshLine(made.raw));
  assert.deepEqual([values['endpoint id'], values.fingerprint], [endpointId, fingerprint]);
  assert.equal(made.signed.toString('hex'), values['key id'] + values.timestamp);
  assert.equal(Buffer.from(made.token, 'base64url').subarray(40).toString('hex'), values.signature);
  assert.equal(made.token, values.token);
  assert.equal(made.token.length, 139);
});

test('PROTOCOL.md: the exchanges, played over one connection, byte for byte', { timeout: 30_000 }, async () => {
  const seed = Buffer.from(blocks('docs/PROTOCOL.md').find((b) => b.language === 'token').text.match(/^secret key +(\S+)$/m)[1], 'hex');
  const { raw, token } = tokenOf(ed25519(seed), Math.floor(Date.now() / 1000));
  const head = await serve({ listen: 'tcp://127.0.0.1:0', key: Buffer.from(generateKey().privateKey), authorizedKeys: [`scopes="math" ${sshLine(raw)}`] });
  try {
    const number = { type: 'number' };
    await head.handle({ name: '/math/add', inputSchema: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } } }, ({ a, b }) => a + b);
    await head.handle({ name: '/math/count', type: 'subscription' }, async function* ({ to }) { for (let n = 1; n <= to; n++) yield n; });
    const opened = once(head, 'session');
    const socket = net.connect(new URL(head.address).port, '127.0.0.1');
    const incoming = framesOf(socket);
    const answered = [];
    let page = read('docs/PROTOCOL.md');

    for (const block of blocks('docs/PROTOCOL.md').filter((b) => b.language === 'frames')) {
      const written = [];
      for (const line of block.text.trim().split('\n')) {
        const [, direction, text] = /^([→←] )?(.*)$/.exec(line);
        if (direction === undefined) {
          if (!process.env.DOCS_UPDATE) assert.equal(line, `  ${written.pop().hex}`, `line ${block.line}`);
          continue;
        }
        if (text.startsWith('malformed ')) {
          socket.write(Buffer.from(text.slice(10), 'hex'));
          written.push({ line, hex: '' });
        } else if (direction === '→ ') {
          const sent = JSON.parse(text);
          if (sent.type === 'session.open') sent.payload.token = token; // the one on the page has expired
          socket.write(frameOf(JSON.stringify(sent)));
          written.push({ line, hex: frameOf(text).toString('hex') });
        } else {
          const expected = JSON.parse(text);
          if (expected.type === 'call.requested') {
            const [session] = await opened;
            answered.push(session.call(expected.payload.operationId, expected.payload.input).then((output) => assert.equal(output, 42)));
          }
          const { value: got } = await incoming.next();
          assert.ok(got !== undefined, `line ${block.line}: the connection ended before ${text}`);
          let shown = got;
          if (expected.type === 'session.opened') {
            // The head's key is another one each time.
            const object = JSON.parse(got);
            assert.equal(object.payload.node, head.endpointId);
            object.payload.node = expected.payload.node;
            shown = JSON.stringify(object);
          }
          if (!process.env.DOCS_UPDATE) assert.equal(shown, text, `line ${block.line}`);
          written.push({ line: `← ${shown}`, hex: frameOf(shown).toString('hex') });
        }
      }
      if (process.env.DOCS_UPDATE) {
        const lines = written.map(({ line, hex }) => (hex ? `${line}\n  ${hex}\n` : `${line}\n`)).join('');
        page = page.replace(`\`\`\`frames\n${block.text}\`\`\``, () => `\`\`\`frames\n${lines}\`\`\``);
      } else assert.deepEqual(written.filter(({ hex }) => hex), [], `line ${block.line}: a frame without its hex`);
    }
    assert.equal((await incoming.next()).done, true, 'the malformed frame ends the session');
    await Promise.all(answered);
    assert.equal(answered.length, 1);
    if (process.env.DOCS_UPDATE) fs.writeFileSync(file('docs', 'PROTOCOL.md'), page);
  } finally {
    await head.close({ drain: 0 });
  }
});

test('PROTOCOL.md names every event, code and limit of the sources', () => {
  const page = read('docs/PROTOCOL.md');
  const strings = (source) => [...read(source).matchAll(/^\t\w+ +(?:Code +)?= "([\w.]+)"/gm)].map((m) => m[1]);
  const events = strings('go/internal/wire/event.go');
  const codes = strings('go/internal/call/code.go');
  assert.deepEqual([events.length, codes.length], [11, 12]);
  for (const word of [...events, ...codes]) assert.ok(page.includes(`\`${word}\``), word);
});

test('ABI.md names every completion', () => {
  const page = read('docs/ABI.md');
  const kinds = [...read('lib/engine/pipe.js').matchAll(/(\w+): (\d+)[,\s]/g)].map((m) => m.slice(1));
  assert.ok(kinds.length >= 16);
  for (const [name, number] of kinds) assert.ok(page.includes(`| ${number} | ${name} |`), `${number} ${name}`);
});

// ---- All pages

test('links lead to files and headings that exist', () => {
  const slug = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-');
  const anchors = (page) => [...read(page).matchAll(/^#+ (.*)$/gm)].map((m) => slug(m[1]));
  let links = 0;
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [where, anchor] = target.split('#');
      const to = where === '' ? page : path.relative(root, path.resolve(path.dirname(file(page)), where));
      assert.ok(fs.existsSync(file(to)), `${page}: ${target}`);
      if (anchor !== undefined) assert.ok(anchors(to).includes(anchor), `${page}: ${target}`);
    }
  }
  assert.ok(links > 30, `${links} links`);
});

test('every test that a page names exists', () => {
  const walk = (where) => fs.readdirSync(where, { withFileTypes: true, recursive: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name));
  const sources = walk(file('go')).filter((name) => name.endsWith('_test.go')).map((name) => fs.readFileSync(name, 'utf8')).join('\n');
  let named = 0;
  for (const page of pages) {
    const text = read(page);
    for (const [, name] of text.matchAll(/\b((?:Test|Fuzz)[A-Z]\w+)\b/g)) {
      named++;
      assert.match(sources, new RegExp(`^func ${name}\\(`, 'm'), `${page}: ${name}`);
    }
    for (const [, name, title] of text.matchAll(/`([\w-]+\.test\.mjs)`: “([^”]+)”/g)) {
      named++;
      const titles = read('test/js', name).replaceAll("\\'", "'").split('\n').filter((line) => /\b(test|describe)\(/.test(line));
      assert.ok(titles.some((line) => line.includes(title)), `${page}: ${name}: ${title}`);
    }
    for (const [, name] of text.matchAll(/`([\w-]+\.test\.mjs)`/g)) assert.ok(fs.existsSync(file('test/js', name)), `${page}: ${name}`);
  }
  assert.ok(named > 30, `${named} tests are named`);
});

test('dependencies.md has a line for each direct dependency', () => {
  const page = read('docs/dependencies.md');
  const direct = ['package.json', 'bench/package.json', '.ci/tools/package.json'].flatMap((name) => {
    const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = JSON.parse(read(name));
    return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
  });
  for (const name of ['go.mod', 'bench/server/go.mod']) {
    for (const [, module, version] of read(name).matchAll(/^\t(\S+) (v\S+)$/gm)) if (module !== 'github.com/alkdev/alknet') direct.push([module, version]);
  }
  for (const [, command] of read('.ci/tools/go.mod').matchAll(/^\t(\S+\/cmd\/\S+)$/gm)) direct.push([command]);
  assert.ok(direct.length > 20, `${direct.length} dependencies`);
  for (const [name, version] of direct) {
    const line = page.split('\n').find((l) => l.startsWith(`| \`${name}\` |`));
    assert.ok(line, `${name} has no line`);
    if (version) assert.ok(line.includes(` ${version} `), `${name}: ${version} is used, the line says ${line}`);
  }
});

