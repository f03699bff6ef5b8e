'use strict';
// Checks arguments before anything native runs.

const path = require('node:path');
const { stringify } = require('./builtins.js');
const { describeThrown } = require('./error.js');

const NAME = /^\/[A-Za-z0-9][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9][A-Za-z0-9_.-]*)+$/;

function operationName(name) {
  if (typeof name !== 'string') throw new TypeError(`the operation must be a string such as '/ns/op', not ${describe(name)}`);
  if (name.length > 256 || !NAME.test(name)) throw new TypeError(`the operation ${stringify(name.slice(0, 80))} is not of the form /namespace/operation`);
  return name;
}

function describe(value) {
  if (value === null) return 'null';
  if (typeof value !== 'object') return `a ${typeof value}`;
  try {
    const { name } = value.constructor;
    return `an object of ${typeof name === 'string' && name !== '' ? name : 'no class'}`;
  } catch { // no constructor, a getter that throws, a revoked proxy
    return 'an object of no class';
  }
}

/** Refuses options that are not known, and names the one that was probably meant. */
function known(options, names, where) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw new TypeError(`the options of ${where} must be an object, not ${describe(options)}`);
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const near = names.find((n) => distance(n.toLowerCase(), name.toLowerCase()) <= 2);
    throw new TypeError(`${where} has no option ${stringify(name)}${near ? `: did you mean ${stringify(near)}?` : ` (it has ${names.join(', ')})`}`);
  }
  return options;
}

/** Edits that turn a into b (Levenshtein). */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

function string(value, name) {
  if (typeof value !== 'string') throw new TypeError(`the option ${name} must be a string, not ${describe(value)}`);
  return value;
}

function strings(value, name) {
  if (!Array.isArray(value)) throw new TypeError(`the option ${name} must be an array of strings, not ${describe(value)}`);
  return value.map((v, i) => string(v, `${name}[${i}]`));
}

function boolean(value, name) {
  if (typeof value !== 'boolean') throw new TypeError(`the option ${name} must be true or false, not ${describe(value)}`);
  return value;
}

function integer(value, name, min, max) {
  if (typeof value !== 'number') throw new TypeError(`the option ${name} must be a number, not ${describe(value)}`);
  if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`the option ${name} is ${value}: want a whole number from ${min} to ${max}`);
  return value;
}

const MAX_MS = 2 ** 31 - 1;

const milliseconds = (value, name, min = 1) => integer(value, name, min, MAX_MS);

function signal(value) {
  // Also one of another realm, or of a polyfill.
  if (typeof value !== 'object' || value === null || typeof value.aborted !== 'boolean' || typeof value.addEventListener !== 'function') {
    throw new TypeError(`the option signal must be an AbortSignal, not ${describe(value)}`);
  }
  return value;
}

const MAX_SECRET = 64 * 1024; // bytes that the engine takes beside a command

function secretSize(value, name) {
  const size = Buffer.byteLength(value);
  if (size > MAX_SECRET) throw new RangeError(`the option ${name} has ${size} bytes: want at most ${MAX_SECRET}`);
}

function func(value, name) {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${describe(value)}`);
  return value;
}

/** The path of a file, as it is meant now: the working folder may be another one when the engine opens it. */
const file = (name) => (path.isAbsolute(name) ? name : path.resolve(name));

/** The JSON text of a value for an operation; undefined travels as null. */
function json(value, operation) {
  let text;
  try {
    text = stringify(value);
  } catch (cause) {
    throw new TypeError(`the value for ${operation} cannot be written as JSON: ${describeThrown(cause)}`, { cause });
  }
  if (text === undefined) {
    if (value !== undefined) throw new TypeError(`the value for ${operation} cannot be written as JSON: it is ${describe(value)}`);
    return 'null';
  }
  return text;
}

module.exports = { operationName, known, string, strings, boolean, integer, milliseconds, signal, secretSize, func, file, json, describe };
