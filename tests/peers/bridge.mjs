// The bridge between an SDK's client and the example server of that SDK, which is not ours: everything
// that MCP has passes through it. `node bridge.mjs`
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { check, env, signal } from './tour.mjs';

const example = new URL(
  './node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js',
  import.meta.url,
);

/** It takes the port that it is told, and does not say which when that is 0. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function started(port) {
  const server = spawn(process.execPath, [fileURLToPath(example)], {
    env: { ...process.env, MCP_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const listens = signal();
  server.stdout.on('data', said => String(said).includes('listening on port') && listens.tell());
  server.on('exit', () => listens.tell());
  await listens.told;
  return server;
}

const port = await freePort();
const server = await started(port);
process.on('exit', () => server.kill());
const client = new Client({ name: 'rota-peers', version: '1' }, { capabilities: { elicitation: {} } });
const heard = [];
await client.connect(
  new StdioClientTransport({ command: env('ROTA_BIN'), args: ['bridge', `http://127.0.0.1:${port}/mcp`] }),
);

await check('shakes hands with the server behind it', async () => {
  assert.equal(client.getServerVersion().name, 'simple-streamable-http-server');
  assert.ok(client.getServerCapabilities().tools);
});

await check('lists its tools, prompts and resources', async () => {
  const tools = (await client.listTools()).tools.map(tool => tool.name);
  assert.ok(['greet', 'multi-greet', 'collect-user-info'].every(name => tools.includes(name)), `${tools}`);
  const { prompts } = await client.listPrompts();
  assert.equal(prompts[0].name, 'greeting-template');
  const { resources } = await client.listResources();
  const { contents } = await client.readResource({ uri: resources[0].uri });
  assert.ok(contents[0].text.length > 0);
});

await check('an answer comes through, and so does a refusal', async () => {
  const greeted = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
  assert.equal(greeted.content[0].text, 'Hello, Ada!');
  const refused = await client.callTool({ name: 'greet', arguments: { name: 7 } });
  assert.equal(refused.isError, true);
  const links = await client.callTool({ name: 'list-files', arguments: { includeDescriptions: true } });
  assert.ok(links.content.some(block => block.type === 'resource_link'));
});

await check('what the server says during a call arrives', async () => {
  const all = signal();
  heard.length = 0;
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    heard.push(params);
    if (heard.length === 3) all.tell();
  });
  await client.callTool({ name: 'multi-greet', arguments: { name: 'Ada' } });
  // The SDK hands them on after the answer, now and then.
  await all.told;
});

await check('the server asks a person through it', async () => {
  let asked;
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked = params.message;
    return { action: 'accept', content: { name: 'Ada', email: 'ada@example.com' } };
  });
  const call = { name: 'collect-user-info', arguments: { infoType: 'contact' } };
  const told = await client.callTool(call);
  assert.equal(asked, 'Please provide your contact information');
  assert.ok(told.content[0].text.includes('ada@example.com'), told.content[0].text);
});

await check('ten calls at once each get their own answer', async () => {
  const names = Array.from({ length: 10 }, (_, n) => `Ada ${n}`);
  const calls = names.map(name => client.callTool({ name: 'greet', arguments: { name } }));
  const told = (await Promise.all(calls)).map(({ content }) => content[0].text);
  assert.deepEqual(told, names.map(name => `Hello, ${name}!`));
});

await client.close();
process.exit(0);
