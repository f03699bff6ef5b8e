// The rows of the tables, from what client.mjs tells: key, title, unit, digits.
export const ROWS = [
  ['a1_rate', 'a  echo 100 B, 1 caller', 'calls/s', 0], ['a1_p50', '     p50', 'µs', 0], ['a1_p99', '     p99', 'µs', 0],
  ['a16_rate', 'a  echo 100 B, 16 callers', 'calls/s', 0], ['a16_p50', '     p50', 'µs', 0], ['a16_p99', '     p99', 'µs', 0],
  ['a256_rate', 'a  echo 100 B, 256 callers', 'calls/s', 0], ['a256_p50', '     p50', 'µs', 0], ['a256_p99', '     p99', 'µs', 0],
  ['b_rate', 'b  echo 10 KB, 16 callers', 'calls/s', 0],
  ['c_MBps', 'c  echo 1 MB, 4 callers', 'MB/s', 1],
  ['d_rate', 'd  1 stream, 200k events', 'events/s', 0],
  ['e_delivered', 'e  1000 streams x 10/s, 5 s', 'fraction', 3], ['e_p50', '     lag p50', 'ms', 2], ['e_p99', '     lag p99', 'ms', 2],
  ['e_open', '     time to open all 1000', 'ms', 0],
  ['cold', 'f  connect + first answer', 'ms', 1],
  ['a256_cpu100k', 'g  client CPU / 100k calls (a/256)', 's', 2], ['a256_loop99', '     event loop delay p99', 'ms', 2],
  // not asked of a column, but they say what limits it
  ['a256_srv100k', '   server CPU / 100k calls (a/256)', 's', 2], ['a256_elu', '   JS thread busy in a/256', '0..1', 2], ['a1_elu', '   JS thread busy in a/1', '0..1', 2],
  ['c_elu', '   JS thread busy in c', '0..1', 2], ['c_loop99', '   event loop delay p99 in c', 'ms', 1],
  ['d_elu', '   JS thread busy in d', '0..1', 2], ['d_cpu100k', '   client CPU / 100k events (d)', 's', 2], ['d_srv100k', '   server CPU / 100k events (d)', 's', 2],
  ['e_cpu', '   client CPU in e', 's', 2], ['e_srv', '   server CPU in e', 's', 2],
  ['importMs', '   module load', 'ms', 0], ['rssMB', '   client peak memory', 'MB', 0],
];

export const median = (xs) => {
  const s = [...xs].sort((a, b) => a - b), m = s.length >> 1;
  return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
};

/** A number in a table, or – for none. */
export const number = (x, digits) => (Number.isFinite(x) ? x.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }) : '–');
