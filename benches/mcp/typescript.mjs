// The bare counterpart in the TypeScript SDK: two tools that answer with what stands in a file.
// `node typescript.mjs ANSWERS.json stateless|sessions`; prints its port. With sessions a client has one for
// all its calls, which is the quicker of the SDK's two ways; without, each request has a server of its own.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

const answers = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const sessions = new Map();

const hasSessions = process.argv[3] === 'sessions';

async function opened() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: hasSessions ? randomUUID : undefined,
    enableJsonResponse: true,
    onsessioninitialized: id => sessions.set(id, transport),
  });
  const server = new McpServer({ name: 'bare', version: '1' });
  server.registerTool('getTicket', { inputSchema: { id: z.number().int() } }, async () => answers.getTicket);
  server.registerTool('findTasks', { inputSchema: { limit: z.number().int() } }, async () => answers.findTasks);
  await server.connect(transport);
  return transport;
}

const listening = createServer(async (request, response) => {
  const transport = sessions.get(request.headers['mcp-session-id']) ?? (await opened());
  if (!hasSessions) response.on('close', () => transport.close());
  await transport.handleRequest(request, response);
});
listening.listen(0, '127.0.0.1', () => console.log(listening.address().port));
