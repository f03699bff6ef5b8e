// The declarations: what must compile does, what must not does not (test/types).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as alknet from '../../lib/index.mjs';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the declarations accept what is documented and refuse mistakes', () => {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'test/types'], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('every export is declared, and every declared value exists', () => {
  const file = fileURLToPath(new URL('../../lib/index.d.ts', import.meta.url));
  const program = ts.createProgram([file], { types: ['node'] });
  const checker = program.getTypeChecker();
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const declared = symbols.filter((s) => s.flags & ts.SymbolFlags.Value).map((s) => s.name);
  assert.deepEqual(declared.sort(), Object.keys(alknet).filter((name) => name !== 'default' && name !== 'module.exports').sort());
  // Methods and accessors, so that none stays undocumented.
  for (const name of ['Connection', 'Server', 'Session', 'Subscription', 'SecretStore', 'SecretKey', 'SecretIdentity']) {
    const type = checker.getDeclaredTypeOfSymbol(symbols.find((s) => s.name === name));
    const known = new Set(checker.getPropertiesOfType(type).map((s) => s.name));
    for (let p = alknet[name].prototype; p !== Object.prototype && p?.constructor.name !== 'EventEmitter'; p = Object.getPrototypeOf(p)) {
      for (const member of Object.getOwnPropertyNames(p)) {
        if (member !== 'constructor' && !/^(_|on[A-Z]|reportHandlerError)/.test(member)) assert.ok(known.has(member), `${name}.${member} is not declared`);
      }
    }
  }
});

test('every exported name is documented, and of what calls, connects and serves every member', () => {
  const file = fileURLToPath(new URL('../../lib/index.d.ts', import.meta.url));
  const source = ts.createSourceFile(file, ts.sys.readFile(file), ts.ScriptTarget.Latest, true);
  const documented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;
  const whole = new Set(['AlknetError', 'Subscription', 'Caller', 'Session', 'Connection', 'ConnectOptions', 'CallOptions', 'SubscribeOptions', 'InvokeOptions', 'Identity', 'KeyOptions', 'EngineOptions', 'Limits']);
  const missing = [], seen = new Set(), overloaded = new Set();
  for (const statement of source.statements) {
    const name = statement.name?.text ?? statement.declarationList?.declarations[0].name.text;
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
    seen.add(name);
    if (!documented(statement)) missing.push(name);
    for (const member of whole.has(name) ? statement.members : []) {
      const of = member.name && `${name}.${member.name.getText(source)}`;
      if (!of || /\.(on|once|off|\[Symbol\.asyncIterator\])$/.test(of)) continue; // their events are documented
      if (!documented(member) && !overloaded.has(of)) missing.push(of);
      overloaded.add(of); // the first of a function's forms has the words
    }
  }
  assert.deepEqual([...whole].filter((name) => !seen.has(name)), []);
  assert.deepEqual(missing, []);
});
