// The command line of the MCP Inspector: `node inspector.mjs http|pipe`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { check, env, expected, token } from './tour.mjs';

const way = process.argv[2];
const program = fileURLToPath(
  new URL('./node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
// At the pipe `--config` would be taken for the Inspector's own; the variables say the same.
const variables = ['ROTA_STATE', 'ROTA_CONFIG'].flatMap(name => ['-e', `${name}=${env(name)}`]);
const target =
  way === 'http'
    ? [env('ROTA_URL'), '--transport', 'http', '--header', `Authorization: Bearer ${token()}`]
    : [env('ROTA_BIN'), 'mcp', ...variables];

async function inspect(...words) {
  const all = [program, '--cli', ...target, ...words];
  return promisify(execFile)(process.execPath, all, { maxBuffer: 16 * 1024 * 1024 });
}

for (const era of ['legacy', 'modern']) {
  const chosen = ['--protocol-era', era];
  await check(`lists every tool (${era}), none with a schema that some model cannot take`, async () => {
    const { stdout } = await inspect('--method', 'tools/list', '--strict', ...chosen);
    const names = JSON.parse(stdout).tools.map(tool => tool.name);
    assert.deepEqual(names, expected().map(tool => tool.name));
  });
  await check(`calls a tool (${era})`, async () => {
    const words = ['--method', 'tools/call', '--tool-name', 'getTicket', '--tool-arg', 'id=1'];
    const { stdout } = await inspect(...words, ...chosen);
    const result = JSON.parse(stdout);
    assert.equal(result.isError ?? false, false);
    assert.equal(result.structuredContent.headline, 'Fix the footer');
  });
}
await check('is told what is wrong with a call', async () => {
  const words = ['--method', 'tools/call', '--tool-name', 'getTicket', '--tool-arg', 'id=999999'];
  // It ends with an exit code of its own when a tool reports an error.
  const { stdout } = await inspect(...words).catch(error => error);
  assert.equal(JSON.parse(stdout).structuredContent.error.code, 'not_found');
});
await check('reads a resource', async () => {
  const { stdout } = await inspect('--method', 'resources/read', '--uri', 'rota://task/1');
  assert.equal(JSON.parse(JSON.parse(stdout).contents[0].text).headline, 'Fix the footer');
});
await check('gets a prompt', async () => {
  const words = ['--method', 'prompts/get', '--prompt-name', 'tidy-board', '--prompt-args', 'project=Website'];
  const { stdout } = await inspect(...words);
  assert.match(JSON.parse(stdout).messages[0].content.text, /Website/);
});
