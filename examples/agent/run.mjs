#!/usr/bin/env node
// The program behind /bash/run: JSON on stdin, JSON on stdout. It runs one of a few
// commands, without a shell; what it is asked for beyond that is an error of its own.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const ALLOWED = ['wc', 'sort', 'uniq', 'head'];

const { command, args = [], stdin = '' } = JSON.parse(readFileSync(0, 'utf8')) ?? {};
if (!ALLOWED.includes(command)) {
  console.log(JSON.stringify({ code: 'NOT_ALLOWED', message: `only ${ALLOWED.join(', ')} may be run here`, details: { command } }));
  process.exit(1);
}
const { status, stdout, stderr } = spawnSync(command, args, { input: stdin, encoding: 'utf8', maxBuffer: 1 << 20 });
console.log(JSON.stringify({ status, stdout, stderr }));
