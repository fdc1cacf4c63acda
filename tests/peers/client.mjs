// What the official conformance suite starts as a client, with its server's address as the last word:
// the program itself, to which that server is one of its other servers. A playbook calls every tool it
// offers, as playbooks do: a person accepts them, then a run calls them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const url = process.argv.at(-1);
const house = mkdtempSync(join(tmpdir(), 'rota-client-'));
const rota = (...words) => {
  const [state, config] = [join(house, 'state'), join(house, 'rota.toml')];
  const env = { PATH: process.env.PATH, HOME: house, ROTA_STATE: state, ROTA_CONFIG: config };
  return execFileSync(process.env.ROTA_BIN, words, { cwd: house, env, encoding: 'utf8', timeout: 25_000 });
};

/** A value that fits a schema, as far as these servers need one. */
function value(schema) {
  if (schema?.default !== undefined) return schema.default;
  if (schema?.enum) return schema.enum[0];
  switch (schema?.type) {
    case 'number':
    case 'integer':
      return 3;
    case 'boolean':
      return true;
    case 'array':
      return [];
    case 'object':
      return object(schema);
    default:
      return 'three';
  }
}

const object = schema =>
  Object.fromEntries((schema?.required ?? []).map(name => [name, value(schema.properties?.[name])]));

/** As TOML has it: as JSON has it, but for the members of an object. */
function toml(of) {
  if (Array.isArray(of)) return `[${of.map(toml).join(', ')}]`;
  if (of === null || typeof of !== 'object') return JSON.stringify(of);
  const members = Object.entries(of).map(([name, value]) => `${JSON.stringify(name)} = ${toml(value)}`);
  return `{ ${members.join(', ')} }`;
}

try {
  writeFileSync(join(house, 'rota.toml'), `[people]\nme = "Ada"\n[upstream.suite]\nurl = ${JSON.stringify(url)}\n`);
  rota('person', 'add', 'AI-Worker', '--agent');
  const tools = JSON.parse(rota('upstream', 'list', '--json'));
  console.error(`${process.env.MCP_CONFORMANCE_SCENARIO}: ${tools.length} tools`);
  if (tools.length > 0) {
    rota('upstream', 'accept', 'suite');
    // One of them wants to be told the schema of another, as it arrived.
    const arrived = tools.find(({ tool }) => tool.endsWith('json_schema_2020_12_tool'))?.arguments;
    const args = ({ tool, arguments: schema }) =>
      tool.endsWith('json_schema_echo') ? { schema: arrived } : object(schema);
    const steps = tools.map(tool => `[[step]]\ntool = ${JSON.stringify(tool.tool)}\nargs = ${toml(args(tool))}\n`);
    const head = 'description = "Calls every tool."\nagent = "AI-Worker"\n';
    const tail = '[scope]\nwrite = "board"\n[limits]\nattempts = 1\n';
    mkdirSync(join(house, 'agents'), { recursive: true });
    writeFileSync(join(house, 'agents', 'caller.toml'), head + steps.join('') + tail);
    try {
      console.error(rota('run-once', 'caller', '--json'));
    } catch (error) {
      // A tool may refuse: the suite says whether that was as it should be.
      console.error(error.stdout, error.stderr);
    }
  }
} finally {
  rmSync(house, { recursive: true, force: true });
}
