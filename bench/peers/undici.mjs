// undici: POST of JSON to net/http. Over HTTP/1.1 a kept connection carries one request at a time; over HTTP/2 one
// connection carries all of them. A subscription is one answer of JSON lines.
import { Agent } from 'undici';

const headers = { 'content-type': 'application/json' };

export function create({ addr, ca, h2 }) {
  const origin = `https://${addr}`;
  const options = { connect: { ca }, headersTimeout: 60e3, bodyTimeout: 60e3, allowH2: h2 };
  let forCalls, forStreams;
  // Over HTTP/2 undici sends only what it may send again beside what is on its way.
  const post = (agent, path, obj) => agent.request({ origin, path, method: 'POST', headers, body: JSON.stringify(obj), idempotent: h2 });
  return {
    connect: async () => {
      if (h2) forCalls = forStreams = new Agent({ ...options, connections: 1, pipelining: 2000, maxConcurrentStreams: 2000 });
      else {
        forCalls = new Agent({ ...options, connections: 64 }); // faster for 256 callers than undici's default, one for each
        forStreams = new Agent(options);
      }
    },
    call: async (obj) => (await post(forCalls, '/echo', obj)).body.json(),
    subscribe: async (req, onEvent) => {
      const { body } = await post(forStreams, '/subscribe', req);
      body.setEncoding('utf8');
      let rest = '';
      await new Promise((resolve, reject) => {
        body.on('data', (text) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop();
          for (const line of lines) onEvent(JSON.parse(line));
        });
        body.on('end', resolve);
        body.on('error', reject);
      });
    },
    close: () => Promise.all([forCalls.destroy(), forStreams.destroy()]),
  };
}
