import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AIMS, evaluate } from './aims.mjs';
import { COLUMNS } from './columns.mjs';
import { ROWS } from './rows.mjs';

// A run in which every aim is met, each just so.
const run = () => ({
  'alknet-quic': { a256_rate: 200, a16_rate: 60, a1_p50: 210, b_rate: 9, c_MBps: 9, d_rate: 301, e_delivered: 0.999, e_p99: 4, cold: 13, a256_cpu100k: 0.9, a256_loop99: 8 },
  'alknet-tls': { a256_rate: 180, a16_rate: 50, a1_p50: 80, b_rate: 10, c_MBps: 9, d_rate: 200, e_delivered: 1, e_p99: 5, cold: 12, a256_cpu100k: 0.7, a256_loop99: 3 },
  'alknet-unix': { a256_rate: 220, a16_rate: 40, a1_p50: 70, b_rate: 11, c_MBps: 12, d_rate: 250, e_delivered: 1, e_p99: 6, cold: 11, a256_cpu100k: 0.8, a256_loop99: 9 },
  'ws-json': { a256_rate: 100, a16_rate: 50, a1_p50: 80, d_rate: 150, cold: 10, a256_cpu100k: 1 },
  grpc: { a256_rate: 20, d_rate: 140 },
  undici: { b_rate: 10, c_MBps: 10, d_rate: 300 },
  iroh: { a1_p50: 210, d_rate: 80 },
  floor: { d_rate: 1000 },
});
const of = (medians, key, than) => {
  const i = AIMS.findIndex((a) => a.key === key && (than === undefined || a.than === than));
  return evaluate(medians)[i];
};

test('a run that meets every aim', () => {
  assert.deepEqual(evaluate(run()).map((a) => [a.what, a.verdict]), AIMS.map((a) => [a.what, a.key === 'c_MBps' ? 'met over Unix only' : 'met']));
});

test('the figures and the best transport', () => {
  const ratio = of(run(), 'a256_rate', 'grpc');
  assert.deepEqual(ratio, {
    row: 'a', what: '256 callers, calls/s', aim: 'at least 10 × grpc', figures: { 'alknet-quic': 10, 'alknet-tls': 9, 'alknet-unix': 11 }, best: 'alknet-unix', verdict: 'met',
  });
  const value = of(run(), 'a256_loop99');
  assert.deepEqual([value.aim, value.figures, value.best], ['at most 3 ms', { 'alknet-quic': 8, 'alknet-tls': 3, 'alknet-unix': 9 }, 'alknet-tls']);
  assert.deepEqual(Object.keys(of(run(), 'a1_p50', 'iroh').figures), ['alknet-quic'], 'an aim of one transport looks at no other');
});

const misses = [
  // what is changed, the aim, what it says then
  [{ 'alknet-quic': { a256_rate: 199 }, 'alknet-unix': { a256_rate: 199 } }, ['a256_rate', 'ws-json'], 'missed'],
  [{ 'alknet-quic': { a256_rate: 199 } }, ['a256_rate', 'ws-json'], 'met over Unix only'],
  [{ 'alknet-tls': { a1_p50: 80.1 } }, ['a1_p50', 'ws-json'], 'missed'],
  [{ 'alknet-quic': { a1_p50: 211 } }, ['a1_p50', 'iroh'], 'missed'],
  [{ 'alknet-quic': { d_rate: 300 } }, ['d_rate', 'others'], 'missed'], // more, not as much
  [{ 'alknet-tls': { e_delivered: 0.9999 }, 'alknet-unix': { e_delivered: 0.9999 } }, ['e_delivered'], 'missed'],
  [{ 'alknet-tls': { cold: 12.1 }, 'alknet-unix': { cold: 12.1 } }, ['cold'], 'missed'],
  [{ 'ws-json': { a256_cpu100k: undefined } }, ['a256_cpu100k'], 'not measured'],
  [{ iroh: undefined }, ['a1_p50', 'iroh'], 'not measured'],
  [{ 'alknet-tls': undefined }, ['a1_p50', 'ws-json'], 'not measured'],
];
for (const [change, [key, than], verdict] of misses) {
  test(`${JSON.stringify(change, (_, v) => v ?? null)}: ${key} is ${verdict}`, () => {
    const medians = run();
    for (const [name, keys] of Object.entries(change)) medians[name] = keys && { ...medians[name], ...keys };
    assert.equal(of(medians, key, than).verdict, verdict);
  });
}

test('“any other” is the best of those measured, without this project and the floor', () => {
  assert.equal(of(run(), 'd_rate', 'others').aim, 'more than any other but the floor (here undici)');
  const medians = { 'alknet-tls': { d_rate: 1 }, 'alknet-tcp': { d_rate: 5 }, floor: { d_rate: 9 } };
  assert.equal(of(medians, 'd_rate', 'others').verdict, 'not measured');
});

test('the aims name rows and columns that exist', () => {
  const keys = ROWS.map(([key]) => key);
  for (const { key, than, on = [] } of AIMS) {
    assert.ok(keys.includes(key), key);
    for (const name of [...on, ...(than && than !== 'others' ? [than] : [])]) assert.ok(Object.hasOwn(COLUMNS, name), name);
  }
});
