#!/usr/bin/env node
'use strict';
// `npx alknet …`: becomes the binary of this platform or, where Node.js cannot do
// that, stands in for it.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const tty = require('node:tty');
const { findBinary, NO_BINARY } = require('./engine/binary.js');
const { printable } = require('./core/printable.js');

const args = process.argv.slice(2);
let binary;
let refused;
try {
  binary = findBinary();
} catch (error) {
  refused = error.message; // its release, or where it lies
}

if (binary === undefined) fail(refused ?? NO_BINARY);
else if (!executable()) fail(`alknet: ${binary} is not executable. Make it so with \`chmod +x\`, or install @alkdev/alknet-${process.platform}-${process.arch} again.`);
else if (process.platform !== 'win32' && process.execve) process.execve(binary, [binary, ...args], process.env);
else standIn();

// Node.js aborts when it cannot become another program.
function executable() {
  try {
    fs.accessSync(binary, fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function fail(message) {
  process.stderr.write(`${printable(message)}\n`);
  process.exitCode = 1;
}

// Windows, and Node.js before 22.15.
function standIn() {
  const child = spawn(binary, args, { stdio: 'inherit' });
  child.on('error', (error) => fail(`alknet: ${binary} cannot be run: ${error.message}`));

  // What a terminal sends by its keys it sends to both; a second one would end the
  // binary at once instead of in order.
  const terminal = [0, 1, 2].some((fd) => tty.isatty(fd));
  const passed = process.platform === 'win32' ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM'];
  const byKey = process.platform === 'win32' ? passed : ['SIGINT', 'SIGQUIT'];
  for (const signal of passed) process.on(signal, () => { if (!(terminal && byKey.includes(signal))) child.kill(signal); });

  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exit(128 + os.constants.signals[signal]); // where the signal did not end this process
  });
}
