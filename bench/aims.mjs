// The aims of this project for `make bench`, and which of them a run meets. A ratio holds within one run only, so most
// aims are ratios to a column beside it.
const TRANSPORTS = ['alknet-quic', 'alknet-tls', 'alknet-unix'];

// key is that of a row; bound says how the figure has to lie to the limit: the limit is times × the column than, or value
// in unit. than 'others' is the best column that is neither this project nor the floor.
export const AIMS = [
  { row: 'a', what: '256 callers, calls/s', key: 'a256_rate', bound: 'at least', times: 2, than: 'ws-json' },
  { row: 'a', what: '256 callers, calls/s', key: 'a256_rate', bound: 'at least', times: 10, than: 'grpc' },
  { row: 'a', what: '16 callers, calls/s', key: 'a16_rate', bound: 'at least', times: 1.2, than: 'ws-json' },
  { row: 'a', what: '1 caller over TLS, p50', key: 'a1_p50', bound: 'at most', times: 1, than: 'ws-json', on: ['alknet-tls'] },
  { row: 'a', what: '1 caller over QUIC, p50', key: 'a1_p50', bound: 'at most', times: 1, than: 'iroh', on: ['alknet-quic'] },
  { row: 'b', what: '10 KB, calls/s', key: 'b_rate', bound: 'at least', times: 1, than: 'undici' },
  { row: 'c', what: '1 MB, MB/s', key: 'c_MBps', bound: 'at least', times: 1, than: 'undici' },
  { row: 'd', what: 'one subscription, events/s', key: 'd_rate', bound: 'at least', times: 2, than: 'ws-json' },
  { row: 'd', what: 'one subscription, events/s', key: 'd_rate', bound: 'more than', times: 1, than: 'others' },
  { row: 'e', what: '1,000 subscriptions, delivered', key: 'e_delivered', bound: 'at least', value: 1, unit: '' },
  { row: 'e', what: '1,000 subscriptions, lag p99', key: 'e_p99', bound: 'at most', value: 5, unit: 'ms' },
  { row: 'f', what: 'cold connect and first answer', key: 'cold', bound: 'at most', times: 1.2, than: 'ws-json' },
  { row: 'g', what: 'client CPU a call, 256 callers', key: 'a256_cpu100k', bound: 'at most', times: 0.7, than: 'ws-json' },
  { row: 'g', what: 'event loop delay p99, 256 callers', key: 'a256_loop99', bound: 'at most', value: 3, unit: 'ms' },
];

const holds = {
  'at least': (x, limit) => x >= limit,
  'more than': (x, limit) => x > limit,
  'at most': (x, limit) => x <= limit,
};

/**
 * Evaluates the aims on the medians of a run, { column: { key: number } }. For each aim:
 * { row, what, aim, figures: { column: ratio or value }, best, verdict }, where best is the column of the best figure, and
 * verdict is met, met over Unix only, missed, or not measured. A Unix socket does without TLS, so what it alone meets
 * is said so.
 */
export function evaluate(medians) {
  return AIMS.map(({ row, what, key, bound, times, than, value, unit, on = TRANSPORTS }) => {
    const better = bound === 'at most' ? (a, b) => a < b : (a, b) => a > b;
    const best = (names) => names.filter((n) => Number.isFinite(medians[n]?.[key])).reduce((a, b) => (a === undefined || better(medians[b][key], medians[a][key]) ? b : a), undefined);
    const other = than === 'others' ? best(Object.keys(medians).filter((n) => !n.startsWith('alknet-') && n !== 'floor')) : than;
    const beside = than === undefined ? 1 : medians[other]?.[key];
    const limit = times ?? value;
    const aim = than === undefined ? [bound, value, unit].join(' ').trim()
      : than === 'others' ? `${bound} any other but the floor${other ? ` (here ${other})` : ''}`
        : `${bound} ${times} × ${than}`;
    const figures = {};
    for (const name of on) {
      const figure = medians[name]?.[key] / beside;
      if (Number.isFinite(figure)) figures[name] = figure;
    }
    const mine = best(Object.keys(figures));
    const meets = Object.keys(figures).filter((n) => holds[bound](figures[n], limit));
    const verdict = mine === undefined ? 'not measured'
      : meets.length === 0 ? 'missed'
        : meets.every((n) => n === 'alknet-unix') ? 'met over Unix only' : 'met';
    return { row, what, aim, figures, best: mine, verdict };
  });
}
