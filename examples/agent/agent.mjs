// An orchestrating handler: it lives on the head, and composes what two workers offer.
// Whoever may call /agent/report gets a report, and none of what the agent may do.
// By itself: node examples/agent/main.mjs
import { AlknetError } from '../../lib/index.mjs';

// What the agent may do, and nothing else: its own scopes, not its caller's, and only
// the operations that it lists.
const may = {
  identity: { id: 'agent', scopes: ['fs:read', 'bash:run'] },
  reach: ['/files/fs/list', '/files/fs/read', '/shell/bash/run'],
};

/** Offers the agent on a head. */
export async function offer(head) {
  await head.handle({
    name: '/agent/report', description: 'Counts the lines and words of the notes on the worker "files", with wc on the worker "shell"',
    accessControl: { requiredScopes: ['agent'] },
    inputSchema: { type: ['object', 'null'], properties: { folder: { type: 'string', default: '/' } } },
  }, async (input, { invoke }) => {
    const folder = input?.folder ?? '/';
    const { entries } = await invoke('files/fs', 'list', { path: folder });
    // Each of these ends when the caller leaves, and at the caller's deadline at the latest.
    return Promise.all(entries.filter(({ type }) => type === 'file').map(async ({ name }) => {
      const { content } = await invoke('files/fs', 'read', { path: `${folder}/${name}` });
      const { stdout, status } = await invoke('shell/bash', 'run', { command: 'wc', args: ['-l', '-w'], stdin: content });
      if (status !== 0) throw new AlknetError('WC_FAILED', `wc ended with ${status}`, { details: { name } });
      const [lines, words] = stdout.trim().split(/\s+/).map(Number);
      return { name, lines, words };
    }));
  }, may);

  // What an agent that was talked into more would see.
  await head.handle({ name: '/agent/tempted', accessControl: { requiredScopes: ['agent'] } }, async (_, { invoke }) => {
    const told = {};
    for (const [namespace, op, input] of [['files/fs', 'write', { path: 'x', content: 'x' }], ['head/config', 'reload', null], ['files/fs', 'read', { path: '../agent.mjs' }]]) {
      told[`/${namespace}/${op}`] = await invoke(namespace, op, input).then(() => 'done', ({ code }) => code);
    }
    return told;
  }, may);
}
