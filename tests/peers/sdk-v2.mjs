// The TypeScript SDK of version 2: `node sdk-v2.mjs http|pipe legacy|modern`.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { env, pipe, token, tour } from './tour.mjs';

const [, , way, era] = process.argv;
const MODERN = '2026-07-28';
const mode = era === 'modern' ? 'auto' : 'legacy';

const transports = {
  http: () =>
    new StreamableHTTPClientTransport(new URL(env('ROTA_URL')), {
      requestInit: { headers: { Authorization: `Bearer ${token()}` } },
    }),
  pipe: () => new StdioClientTransport(pipe()),
};

const client = new Client(
  { name: 'rota-peers', version: '2' },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
);
await client.connect(transports[way]());
await tour({
  client,
  call: (params, options) => client.callTool(params, options),
  answers: answer => client.setRequestHandler('elicitation/create', answer),
  negotiated: () => client.getNegotiatedProtocolVersion(),
  revision: era === 'modern' ? MODERN : '2025-11-25',
  hears:
    way === 'pipe'
      ? undefined
      : async (uri, tell) => {
          let told = 0;
          client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
            // Without a handshake the first says how things stand when listening begins.
            told += params.uri === uri ? 1 : 0;
            if (told > (era === 'modern' ? 1 : 0)) tell();
          });
          if (era === 'modern') await client.listen({ resourceSubscriptions: [uri] });
          else await client.subscribeResource({ uri });
        },
  stops: way !== 'pipe',
});
await client.close();
process.exit(0);
