// What every JavaScript client does with the server. The clients differ; what has to come out does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const PATIENCE = 60_000;
/** A bulk call that nobody stops has so many items. */
const ITEMS = 100;
/** A server may be done before it hears of a cancellation; one that never hears is done each time. The
 * same goes for progress that a client loses. */
const TRIES = 5;
/** A call that goes on does much in this time (in milliseconds). */
const QUIET = 500;

const who = process.env.PEER ?? 'peer';
export const env = name => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start tests/peers/run`);
  return value;
};
export const expected = () => JSON.parse(readFileSync(env('ROTA_LISTING'), 'utf8')).result.tools;
export const token = () => readFileSync(env('ROTA_TOKEN_FILE'), 'utf8').trim();
export const pipe = () => ({
  command: env('ROTA_BIN'),
  args: ['--state', env('ROTA_STATE'), '--config', env('ROTA_CONFIG'), 'mcp'],
});

/** One thing that has to hold; a line each, and the first that does not ends it. */
export async function check(what, body) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    await Promise.race([body(), late]);
    console.log(`ok: ${who}: ${what}`);
  } catch (error) {
    console.log(`WRONG: ${who}: ${what}`);
    console.error(error);
    process.exit(1);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when it is told to. */
export function signal() {
  let tell;
  const told = new Promise(resolve => (tell = resolve));
  return { told, tell };
}

const text = result => result.content.map(block => block.text ?? '').join('\n');

/**
 * `client`: the SDK's, connected; `call(params, options)`: calls a tool; `answers(fn)`: sets who is
 * asked; `revision`: which one must have been agreed on; `hears`: how to hear of changes, if at all;
 * `stops`: whether a cancelled call begins no further item.
 */
export async function tour({ client, call, answers, negotiated, revision, hears, stops }) {
  const tool = (name, args, options) => call({ name, arguments: args }, options);

  if (revision) {
    await check(`agrees on ${revision}`, async () => assert.equal(negotiated(), revision));
  }

  await check('lists every tool, with schemas', async () => {
    const { tools } = await client.listTools();
    const names = tools.map(tool => tool.name);
    assert.deepEqual(names, expected().map(tool => tool.name));
    assert.ok(names.length > 60, `${names.length} tools`);
    for (const tool of tools) {
      assert.equal(tool.inputSchema.type, 'object', tool.name);
      assert.equal(tool.outputSchema.type, 'object', tool.name);
      assert.equal(typeof tool.annotations.readOnlyHint, 'boolean', tool.name);
    }
  });

  let task;
  await check('a write answers with structured content and a text of its own', async () => {
    const headline = `Written by ${who}`;
    const made = await tool('addTask', { headline, projectId: 'Website' });
    assert.equal(made.isError ?? false, false);
    assert.equal(made.structuredContent.after.headline, headline);
    assert.ok(text(made).includes(headline));
    task = made.structuredContent.id;
    const read = await tool('getTicket', { id: task });
    assert.equal(read.structuredContent.headline, headline);
    assert.equal(read.structuredContent.author_name, 'Ada');
  });

  await check('an error that can be mended is a result', async () => {
    const refused = await tool('getTicket', { id: 999_999 });
    assert.equal(refused.isError, true);
    assert.equal(refused.structuredContent.error.code, 'not_found');
    assert.ok(text(refused).startsWith('not_found'));
  });

  await check('a tool that is not there is an error of the protocol', async () => {
    await assert.rejects(tool('noSuchTool', {}), error => error.code === -32_602);
  });

  const items = (count, what) =>
    Array.from({ length: count }, (_, n) => ({ headline: `${what} ${n}`, projectId: 'Website' }));

  await check('progress is told before the answer', async () => {
    const count = 20;
    for (let round = 0; round < TRIES; round += 1) {
      const told = [];
      const onprogress = progress => told.push(progress);
      const tasks = items(count, `${who} bulk ${round}`);
      const made = await tool('bulkAddTasks', { tasks }, { onprogress });
      assert.equal(made.structuredContent.done, count);
      told.forEach((line, place) => assert.equal(line.progress, place + 1));
      assert.ok(told.every(line => line.message));
      // The SDK drops the lines that arrive in one piece with the answer: the last, or all of them.
      if (told.length > 0) return;
    }
    assert.fail(`nothing was told of ${TRIES} calls`);
  });

  /** How many tasks of this name there are, once there come no more. */
  async function settled(what) {
    let before = -1;
    for (;;) {
      const found = await tool('findTasks', { text: what, limit: 200 });
      const now = found.structuredContent.items.length;
      if (now === before) return now;
      before = now;
      await new Promise(resolve => setTimeout(resolve, QUIET));
    }
  }

  if (stops) {
    await check('a cancelled call begins no further item', async () => {
      for (let round = 0; round < TRIES; round += 1) {
        const what = `${who} cancelled ${round}`;
        const gone = new AbortController();
        const options = { onprogress: () => gone.abort('enough'), signal: gone.signal };
        const call = tool('bulkAddTasks', { tasks: items(ITEMS, what) }, options);
        const ended = await call.then(() => true, () => false);
        if (!ended && (await settled(what)) < ITEMS) return;
      }
      assert.fail(`${TRIES} cancelled calls were carried to their end`);
    });
  }

  await check('who says no is heard, and so is who says yes', async () => {
    let asked = 0;
    answers(request => {
      asked += 1;
      assert.match(request.params.message, /deleteTask|delete|task/i);
      return { action: 'decline' };
    });
    const kept = await tool('deleteTask', { id: task });
    assert.equal(kept.isError, true);
    assert.equal((await tool('getTicket', { id: task })).isError ?? false, false);
    answers(request => {
      asked += 1;
      const { properties } = request.params.requestedSchema;
      const content = Object.fromEntries(Object.keys(properties).map(name => [name, true]));
      return { action: 'accept', content };
    });
    const deleted = await tool('deleteTask', { id: task });
    assert.equal(deleted.isError ?? false, false, text(deleted));
    assert.equal(asked, 2);
    const gone = await tool('getTicket', { id: task });
    assert.equal(gone.structuredContent.error.code, 'not_found');
  });

  await check('resources are listed and read', async () => {
    const { resources } = await client.listResources();
    assert.ok(resources.some(resource => resource.uri === 'rota://projects'));
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.ok(resourceTemplates.some(template => template.uriTemplate === 'rota://task/{task}'));
    const { contents } = await client.readResource({ uri: 'rota://task/1' });
    assert.equal(JSON.parse(contents[0].text).headline, 'Fix the footer');
    await assert.rejects(client.readResource({ uri: 'rota://task/999999' }));
  });

  await check('prompts are listed, filled in and completed', async () => {
    const { prompts } = await client.listPrompts();
    assert.ok(prompts.some(prompt => prompt.name === 'tidy-board'));
    const { messages } = await client.getPrompt({ name: 'tidy-board', arguments: { project: 'Website' } });
    assert.match(messages[0].content.text, /Website/);
    const ref = { type: 'ref/prompt', name: 'tidy-board' };
    const { completion } = await client.complete({ ref, argument: { name: 'project', value: 'Web' } });
    assert.deepEqual(completion.values, ['Website']);
  });

  if (hears) {
    await check('a change of a task is heard of', async () => {
      const uri = 'rota://task/1';
      const heard = signal();
      await hears(uri, heard.tell);
      const edited = await tool('editTask', { id: 1, params: { description: `Seen by ${who}` } });
      assert.equal(edited.structuredContent.changed, true);
      await heard.told;
      const { contents } = await client.readResource({ uri });
      assert.equal(JSON.parse(contents[0].text).description, `Seen by ${who}`);
    });
  }
}
