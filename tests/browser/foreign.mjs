// Another MCP server, at its standard input and output, that says of its tools what means harm.
import { createInterface } from "node:readline";
import { planted } from "./planted-texts.mjs";

const said = (id, result) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
const tool = {
  name: "look",
  title: planted("upstream-title"),
  description: planted("upstream-description"),
  inputSchema: { type: "object", properties: { day: { type: "string", description: planted("upstream-argument") } } },
  annotations: { readOnlyHint: true },
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize") {
    said(id, {
      protocolVersion: params.protocolVersion, capabilities: { tools: {} },
      serverInfo: { name: "foreign", version: "1" }, instructions: planted("upstream-instructions"),
    });
  } else if (method === "tools/list") said(id, { tools: [tool] });
  else if (id !== undefined) said(id, {});
});
