// The TypeScript SDK of version 1, with the handshake: `node sdk-v1.mjs http|pipe|remote|bridge`.
// `remote`: through mcp-remote, which is a pipe on our side and HTTP on the server's; `bridge`: through ours.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { fileURLToPath } from 'node:url';
import { env, pipe, token, tour } from './tour.mjs';

const way = process.argv[2];

function remote() {
  const program = new URL('./node_modules/mcp-remote/dist/proxy.js', import.meta.url);
  // No space after the colon: some hosts split their arguments there. The variable is filled in by
  // mcp-remote, so that the token is not seen in the list of processes.
  const header = 'Authorization:${ROTA_AUTHORIZATION}';
  return new StdioClientTransport({
    command: process.execPath,
    args: [fileURLToPath(program), env('ROTA_URL'), '--header', header, '--transport', 'http-only', '--silent'],
    env: { ...process.env, ROTA_AUTHORIZATION: `Bearer ${token()}` },
  });
}

const transports = {
  http: () =>
    new StreamableHTTPClientTransport(new URL(env('ROTA_URL')), {
      requestInit: { headers: { Authorization: `Bearer ${token()}` } },
    }),
  pipe: () => new StdioClientTransport(pipe()),
  remote,
  bridge: () =>
    new StdioClientTransport({
      command: env('ROTA_BIN'),
      args: ['bridge', env('ROTA_URL'), '--token-file', env('ROTA_TOKEN_FILE')],
    }),
};

const client = new Client(
  { name: 'rota-peers', version: '1' },
  { capabilities: { elicitation: {} } },
);
await client.connect(transports[way]());
await tour({
  client,
  call: (params, options) => client.callTool(params, undefined, options),
  answers: answer => client.setRequestHandler(ElicitRequestSchema, answer),
  hears:
    way === 'pipe'
      ? undefined
      : async (uri, tell) => {
          client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
            if (params.uri === uri) tell();
          });
          await client.subscribeResource({ uri });
        },
  stops: way !== 'pipe',
});
await client.close();
process.exit(0);
