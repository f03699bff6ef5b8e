// The part that holds the keys and the connection. It runs in the main process or in a
// utility process, and knows nothing of Electron.
import { connect, serve, generateKey, SecretStore } from 'alknet';

// What the window may ask for, and nothing else: a page that was taken over can do no more.
const CALLS = new Set(['/node/info', '/echo/echo']);
const SUBSCRIPTIONS = new Set(['/clock/ticks']);
const MAX_SUBSCRIPTIONS = 16;
const TIMEOUT = 5_000; // ms

/** Connects to the head at `address`, or to one of its own without an address. The phrase is wiped. */
export async function openBackend({ address, phrase } = {}) {
  const secrets = new SecretStore({ exportable: false });
  let head, node;
  try {
    if (phrase) await secrets.unlock(phrase);
    else (await secrets.create()).fill(0); // an identity for this run
    const identity = secrets.identity();
    if (!address) {
      head = await serve({ listen: '127.0.0.1:0', key: Buffer.from(generateKey().privateKey), authorizedKeys: [identity.publicKey] });
      address = head.address;
    }
    node = await connect(address, { identity, timeout: TIMEOUT });
    return new Backend(node, head, secrets);
  } catch (error) {
    await node?.close();
    await head?.close({ drain: 0 });
    secrets.dispose();
    throw error;
  }
}

class Backend {
  #node;
  #head;
  #secrets;
  #subscriptions = new Map();
  #last = 0;

  constructor(node, head, secrets) {
    this.#node = node;
    this.#head = head;
    this.#secrets = secrets;
  }

  /** The methods that a window reaches: each takes and gives what structured clone can copy. */
  async request(method, ...values) {
    if (method === 'call') return this.#call(...values);
    if (method === 'open') return this.#open(...values);
    if (method === 'next') return this.#next(...values);
    if (method === 'stop') return this.#stop(...values);
    throw new TypeError(`there is no method ${JSON.stringify(String(method).slice(0, 40))}`);
  }

  #call(operation, input) {
    if (!CALLS.has(operation)) throw new TypeError('a window may not call that operation');
    return this.#node.call(operation, input, { timeout: TIMEOUT });
  }

  #open(operation, input) {
    if (!SUBSCRIPTIONS.has(operation)) throw new TypeError('a window may not subscribe to that operation');
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw new RangeError(`there are ${MAX_SUBSCRIPTIONS} subscriptions already`);
    this.#subscriptions.set(++this.#last, this.#node.subscribe(operation, input, { window: 32 }));
    return this.#last;
  }

  /** One event for one question: a window that does not ask lets the other side wait. */
  async #next(number) {
    const subscription = this.#subscriptions.get(number);
    if (!subscription) return { done: true };
    try {
      const { value, done = false } = await subscription.next();
      if (done) this.#subscriptions.delete(number);
      return done ? { done } : { done, value };
    } catch (error) {
      this.#subscriptions.delete(number);
      throw error;
    }
  }

  async #stop(number) {
    const subscription = this.#subscriptions.get(number);
    this.#subscriptions.delete(number);
    await subscription?.return();
  }

  async close() {
    await this.#node.close();
    await this.#head?.close({ drain: 0 });
    this.#secrets.dispose();
  }
}
