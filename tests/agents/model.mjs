// A model on loopback, as Anthropic's Messages, OpenAI's Chat Completions and Responses and Gemini's API speak: it comments on the task
// by the tool addComment, then ends by the tool finish, whatever an agent calls them. Prints its port.
import { createServer } from "node:http";

const comment = (task) => ({ module: "ticket", entityId: task, text: "Seen by the fake model." });
const END = { outcome: "done", summary: "The fake model is done.", evidence: [] };

// What to do next, of what was called so far.
function next(names, called, told) {
  // The prompt names the task, and nothing else begins so.
  const task = Number(/TASK-NUMBER (\d+)/.exec(told)?.[1] ?? 0);
  const named = (bare) => names.find((name) => name === bare || name.endsWith(`_${bare}`));
  for (const [bare, input] of [["addComment", comment(task)], ["finish", END]]) {
    const name = named(bare);
    if (name && !called.includes(name)) return { name, input };
  }
  return null;
}

function anthropic(asked, send) {
  const names = (asked.tools ?? []).map((tool) => tool.name);
  const parts = (asked.messages ?? []).flatMap((m) => (Array.isArray(m.content) ? m.content : []));
  const called = parts.filter((part) => part.type === "tool_use").map((part) => part.name);
  const act = next(names, called, JSON.stringify(asked.messages));
  const usage = { input_tokens: 10, output_tokens: 5 };
  const block = act
    ? { type: "tool_use", id: `toolu_${called.length}`, name: act.name, input: {} }
    : { type: "text", text: "" };
  const delta = act
    ? { type: "input_json_delta", partial_json: JSON.stringify(act.input) }
    : { type: "text_delta", text: "Done." };
  const stop_reason = act ? "tool_use" : "end_turn";
  const message = { id: "msg_1", type: "message", role: "assistant", model: asked.model, content: [], stop_reason: null, stop_sequence: null, usage };
  if (!asked.stream) {
    const whole = act ? { ...block, input: act.input } : { type: "text", text: "Done." };
    return send.json({ ...message, content: [whole], stop_reason });
  }
  send.event("message_start", { type: "message_start", message });
  send.event("content_block_start", { type: "content_block_start", index: 0, content_block: block });
  send.event("content_block_delta", { type: "content_block_delta", index: 0, delta });
  send.event("content_block_stop", { type: "content_block_stop", index: 0 });
  send.event("message_delta", { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage });
  send.event("message_stop", { type: "message_stop" });
  send.end();
}

function openai(asked, send) {
  const names = (asked.tools ?? []).map((tool) => tool.function?.name).filter(Boolean);
  const called = (asked.messages ?? []).flatMap((m) => (m.tool_calls ?? []).map((call) => call.function.name));
  const act = next(names, called, JSON.stringify(asked.messages));
  const call = act && { index: 0, id: `call_${called.length}`, type: "function", function: { name: act.name, arguments: JSON.stringify(act.input) } };
  const said = act ? { role: "assistant", content: null, tool_calls: [call] } : { role: "assistant", content: "Done." };
  const finish_reason = act ? "tool_calls" : "stop";
  const head = { id: "c-1", created: 1, model: asked.model };
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  if (!asked.stream) {
    return send.json({ ...head, object: "chat.completion", choices: [{ index: 0, message: said, finish_reason }], usage });
  }
  const chunk = { ...head, object: "chat.completion.chunk" };
  send.event(null, { ...chunk, choices: [{ index: 0, delta: said, finish_reason: null }] });
  send.event(null, { ...chunk, choices: [{ index: 0, delta: {}, finish_reason }], usage });
  send.raw("data: [DONE]\n\n");
  send.end();
}

// OpenAI's Responses: tools of a server may stand together in a namespace.
function responses(asked, send) {
  const all = (asked.tools ?? []).flatMap((tool) =>
    tool.type === "namespace" ? tool.tools.map((inner) => ({ ...inner, namespace: tool.name })) : [tool]);
  const names = all.map((tool) => tool.name).filter(Boolean);
  const input = Array.isArray(asked.input) ? asked.input : [];
  const called = input.filter((item) => item.type === "function_call").map((item) => item.name);
  const act = next(names, called, JSON.stringify(asked.input));
  const namespace = act && all.find((tool) => tool.name === act.name)?.namespace;
  const item = act
    ? { type: "function_call", id: `fc_${called.length}`, call_id: `call_${called.length}`, name: act.name, ...(namespace && { namespace }), arguments: JSON.stringify(act.input) }
    : { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "Done." }] };
  const usage = { input_tokens: 10, input_tokens_details: null, output_tokens: 5, output_tokens_details: null, total_tokens: 15 };
  send.event("response.created", { type: "response.created", response: { id: "resp_1" } });
  send.event("response.output_item.done", { type: "response.output_item.done", output_index: 0, item });
  send.event("response.completed", { type: "response.completed", response: { id: "resp_1", usage } });
  send.end();
}

// Gemini's generateContent.
function gemini(asked, send, streams) {
  const names = (asked.tools ?? []).flatMap((tool) => (tool.functionDeclarations ?? []).map((one) => one.name));
  const parts = (asked.contents ?? []).flatMap((content) => content.parts ?? []);
  const called = parts.map((part) => part.functionCall?.name).filter(Boolean);
  const act = next(names, called, JSON.stringify(asked.contents));
  // Which model is to answer, it asks a model.
  const choice = JSON.stringify({ complexity_reasoning: "simple", complexity_score: 1, reasoning: "simple", model_choice: "flash" });
  const is_choice = asked.generationConfig?.responseMimeType === "application/json";
  const part = act ? { functionCall: { name: act.name, args: act.input } } : { text: is_choice ? choice : "Done." };
  const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
  const answer = { candidates: [{ content: { role: "model", parts: [part] }, finishReason: "STOP", index: 0 }], usageMetadata };
  if (!streams) return send.json(answer);
  send.event(null, answer);
  send.end();
}

const server = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    let asked = {};
    try { asked = JSON.parse(Buffer.concat(pieces).toString() || "{}"); } catch { asked = {}; }
    const path = new URL(request.url, "http://x").pathname;
    if (process.env.MODEL_LOG) console.error(request.method, path, (asked.tools ?? []).length, asked.stream);
    let begun = false;
    const begin = (type) => { if (!begun) { response.writeHead(200, { "content-type": type }); begun = true; } };
    const send = {
      json: (body) => { begin("application/json"); response.end(JSON.stringify(body)); },
      raw: (text) => { begin("text/event-stream"); response.write(text); },
      event: (name, body) => send.raw(`${name ? `event: ${name}\n` : ""}data: ${JSON.stringify(body)}\n\n`),
      end: () => response.end(),
    };
    if (path.endsWith("/messages/count_tokens")) return send.json({ input_tokens: 10 });
    if (path.endsWith("/messages")) return anthropic(asked, send);
    if (path.endsWith("/chat/completions")) return openai(asked, send);
    if (path.includes(":countTokens")) return send.json({ totalTokens: 10 });
    if (path.includes("enerateContent")) return gemini(asked, send, path.includes(":stream"));
    if (path.endsWith("/responses")) return responses(asked, send);
    if (request.method === "GET" && path.endsWith("/models")) return send.json({ object: "list", data: [{ id: "fake", object: "model" }] });
    response.writeHead(404, { "content-type": "application/json" });
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
// Whoever started it hangs up to end it.
process.stdin.on("end", () => process.exit(0)).resume();
