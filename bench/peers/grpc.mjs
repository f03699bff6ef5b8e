// @grpc/grpc-js with a proto loaded at run time; the payload is JSON text in a bytes field.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const { Bench } = grpc.loadPackageDefinition(
  loader.loadSync(new URL('../proto/bench.proto', import.meta.url).pathname)).bench.v1;
const enc = obj => ({ json: Buffer.from(JSON.stringify(obj)) });
const dec = msg => JSON.parse(msg.json.toString());

export function create({ addr, ca }) {
  let client;
  return {
    connect: async () => {
      client = new Bench(addr, grpc.credentials.createSsl(Buffer.from(ca)));
    },
    call: obj => new Promise((resolve, reject) => {
      client.echo(enc(obj), (err, msg) => (err ? reject(err) : resolve(dec(msg))));
    }),
    subscribe: (req, onEvent) => new Promise((resolve, reject) => {
      const s = client.subscribe(enc(req));
      s.on('data', msg => onEvent(dec(msg)));
      s.on('end', resolve);
      s.on('error', reject);
    }),
    close: () => client.close(),
  };
}
