// Plants what means harm into everything that people, agents, models and other programs can write, in the ways in which
// they write it; the table at the end says on which pages it is shown.
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ada, house, robot, tool, url, wrong } from "./browser.mjs";
import { ATTEMPTS, planted } from "./planted-texts.mjs";

export const run = async (name, args = {}) => {
  const answer = await fetch(`${url}/api/v1/playbooks/${name}/run`, {
    method: "POST", body: JSON.stringify(args),
    headers: { authorization: `Bearer ${ada}`, "content-type": "application/json" },
  });
  return answer.json();
};

// The board: a project, its people, its words, its tasks.
const all = [planted("prose"), ...ATTEMPTS].join(" ");
for (const kind of ["agent", "person"]) {
  await tool(ada, "addPerson", { name: planted(kind), email: planted(`${kind}-email`), kind, role: "editor" });
}
const project = (await tool(ada, "addProject", {
  name: planted("project"), details: planted("project-details"),
  statuses: [["new", "new"], ["busy", "in_progress"], ["waits", "waiting"], ["done", "done"]]
    .map(([label, kind]) => ({ label: planted(`label-${label}`), kind })),
})).id;
const add = async (field, more = {}) => (await tool(robot, "addTask", { projectId: project, headline: planted(field), ...more })).id;
const held = async (task) => (await tool(robot, "claimTask", { task })).fence;
export const task = await add("headline", {
  description: planted("description"), acceptanceCriteria: planted("criteria"), tags: [planted("tag")],
  editorId: planted("agent"), dateToFinish: "today",
});
await tool(robot, "addSubtask", { parentTicket: task, headline: planted("subtask") });
await tool(robot, "addComment", { module: "ticket", entityId: task, text: planted("comment") });
await tool(ada, "addProjectStatusUpdate", { projectId: project, status: "red", text: planted("update") });
export const prose = [];
for (const attempt of ATTEMPTS) {
  const id = (await tool(robot, "addTask", { projectId: project, headline: attempt, description: all, acceptanceCriteria: all })).id;
  await tool(robot, "addComment", { module: "ticket", entityId: id, text: all });
  prose.push(id);
}

// What is said between people and agents.
const asked = await add("asked");
await tool(robot, "askPerson", { task: asked, fence: await held(asked), question: planted("question"), person: "Ada" });
const answered = await add("answered");
await tool(robot, "askPerson", { task: answered, fence: await held(answered), question: "What now?", person: "Ada" });
await tool(ada, "decideReview", { task: answered, decision: "answer", comment: planted("answer"), confirm: `${answered}` });
const handed = await add("handed");
const handOver = { fence: await held(handed), summary: planted("summary"), evidence: [planted("evidence")], reviewer: "Ada" };
await tool(robot, "submitForReview", { task: handed, ...handOver });
const returned = await add("returned");
await tool(robot, "submitForReview", { ...handOver, task: returned, fence: await held(returned) });
await tool(ada, "decideReview", { task: returned, decision: "request_changes", comment: planted("changes"), confirm: `${returned}` });
const released = await add("released");
await held(released);
await tool(ada, "releaseClaim", { task: released, reason: planted("release") });
export const wanted = await add("wanted");
await held(wanted);
await tool(robot, "releaseClaim", { task: wanted, reason: planted("release-asked") });

// Playbooks: what stands in their files, what their steps write, what they propose, what a program says.
const toml = (value) => (value === null || typeof value !== "object" ? JSON.stringify(value)
  : `{ ${Object.entries(value).map(([name, own]) => `${name} = ${toml(own)}`).join(", ")} }`);
const steps = (list) => list.map(([name, args]) => `[[step]]\ntool = "${name}"\nargs = ${toml(args)}\n`).join("");
const playbook = (name, text) => writeFileSync(join(house, "agents", `${name}.toml`), text);
await tool(ada, "addPerson", { name: "AI-Hostile", kind: "agent", role: "manager" });
const worked = await add("worked");
const STEPS = [
  ["addMilestone", { projectId: project, headline: planted("milestone"), color: "#1b75bb", editFrom: "today", editTo: "+5d", editorId: "me" }],
  ["createGoalboard", { projectId: project, title: planted("goal-board"), description: planted("goal-board-text") }],
  ["createGoal", { canvasId: planted("goal-board"), title: planted("goal"), description: planted("goal-text"),
    startValue: 1, currentValue: 1, endValue: 2, milestoneId: planted("milestone") }],
  ["addSprint", { projectId: project, name: planted("sprint"), startDate: "today", endDate: "+2w" }],
  ["addEvent", { eventTitle: planted("event"), dateFrom: "+1d", dateTo: "+1d", allDay: true }],
  ["logTime", { ticketId: worked, hours: 1, date: "today", kind: "DEVELOPMENT", description: planted("time") }],
];
const CHOSEN = (work) => `
description = ${JSON.stringify(planted("playbook"))}
agent = "AI-Hostile"
[select]
project = [${JSON.stringify(planted("project"))}]
limit = 1
[claim]
[scope]
write = "board"
[limits]
attempts = 1
[outcome.done]
[work]
${work}
`;
playbook("writer", `
description = ${JSON.stringify(planted("playbook"))}
agent = "AI-Hostile"
[scope]
write = "board"
${steps([...STEPS, ["editTask", { id: worked, params: { milestone: planted("milestone") } }]])}`);
const FINISH = ["finish", { outcome: "done", summary: planted("finish") }];
playbook("proposer", `mode = "staged"\n${CHOSEN('runner = "steps"\ntools = ["*"]')}${steps([...STEPS, FINISH])}`);
playbook("finisher", `${CHOSEN('runner = "steps"\ntools = ["addComment", "finish"]')}${steps([
  ["addComment", { module: "ticket", entityId: worked, text: planted("agents-comment") }], FINISH])}`);
const lines = join(house, "lines");
writeFileSync(lines, `${planted("output")}\n`);
const program = (script) => CHOSEN(`runner = "command"\ncommand = ["sh", "-c", ${JSON.stringify(script)}]\ntools = ["finish"]`);
playbook("talker", program(`cat ${lines}; while :; do sleep 1; done`));
playbook("failer", program(`sed s/output/errors/g ${lines} >&2; exit 3`));
playbook("thinker", CHOSEN('runner = "model"\nmodel = "puppet"\ntools = ["addComment", "finish"]'));
playbook("teller", 'agent = "AI-Hostile"\n[report]\ntemplate = "digest"\nto = ["file:day"]\nwhen = "always"\n');
playbook("hooked", `
agent = "AI-Hostile"
[on]
webhook = { secret = "\${HOOK_SECRET}" }
[scope]
write = "board"
${steps([["addComment", { module: "ticket", entityId: worked, text: "{{event.name}} {{event.payload.said}}" }]])}`);
// Two that are at fault: one in what it says, one in what its file is called.
playbook("faulty", `agent = "AI-Hostile"\nmode = ${JSON.stringify(planted("fault"))}\n`);
playbook(planted("file"), 'agent = "AI-Hostile"\n[[step]]\ntool = "getStatus"\n');

// They are read by themselves.
for (let books; !books || books.items.length < 8 || books.faults.length < 2;) books = await tool(ada, "listPlaybooks");
const ran = async (name, state, args = {}) => {
  const report = await run(name, args);
  if (report.state !== state) wrong.push(`${name}: ${JSON.stringify(report)}`);
  return report.run;
};
export const writer = await ran("writer", "succeeded");
const finisher = await ran("finisher", "succeeded", { task: prose[0] });
const proposed = await add("proposed");
await ran("proposer", "waiting", { task: proposed });
const thinker = await ran("thinker", "succeeded", { task: worked });
await ran("teller", "succeeded");
const failer = await ran("failer", "failed", { task: prose[1] });

// A delivery, signed by whoever knows the secret.
const at = Math.floor(Date.now() / 1000);
const body = JSON.stringify({ type: planted("event-name"), said: planted("event-payload") });
const signature = createHmac("sha256", process.env.HOOK_SECRET).update(`msg_1.${at}.${body}`).digest("base64");
const taken = await (await fetch(`${url}/hooks/hooked`, {
  method: "POST", body,
  headers: { "content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": `${at}`, "webhook-signature": `v1,${signature}` },
})).json();
const settled = async () => (await fetch(url + taken.status, { headers: { authorization: `Bearer ${ada}` } })).json();
let hooked = await settled();
while (!["ran", "skipped"].includes(hooked.state)) hooked = await settled();
if (hooked.state !== "ran") wrong.push(`nothing was planted by a delivery: ${JSON.stringify(hooked)}`);

// What each page shows of it. (A project's details are on none.)
const handedOver = (await tool(ada, "listReviews")).items.find((own) => own.task === handed).run;
const board = `/board?project=${project}`;
const [seven, query] = ["/digest?since=-7d", encodeURIComponent(planted("query"))];
export const WHERE = {
  "project": [board, `/task/${task}`, seven, "/costs?by=project"],
  "label-new": [board, `/task/${task}`], "label-busy": [board], "label-waits": [board], "label-done": [board],
  "headline": [board, `/task/${task}`, seven], "tag": [board, `/task/${task}`],
  "description": [`/task/${task}`], "criteria": [`/task/${task}`], "subtask": [`/task/${task}`], "comment": [`/task/${task}`],
  "update": [seven],
  "agent": [board, `/task/${task}`, "/settings"], "person": [board, "/review", "/settings"],
  "agent-email": ["/settings"], "person-email": ["/settings"], "token": ["/settings"],
  "question": ["/review"], "answer": [`/task/${answered}`], "summary": ["/review"],
  "evidence": ["/review", `/runs/${handedOver}`],
  "changes": [`/task/${returned}`], "release": ["/settings"], "release-asked": ["/review"],
  "asked": ["/", "/review"], "handed": ["/", "/review", seven],
  "milestone": [`/runs/${writer}`, seven, "/costs?by=milestone", "/review"], "goal": [`/runs/${writer}`, "/costs?by=goal", "/review"],
  "goal-text": [`/runs/${writer}`, "/review"], "goal-board": [`/runs/${writer}`, "/review"],
  "goal-board-text": [`/runs/${writer}`, "/review"], "sprint": [`/runs/${writer}`, "/review"],
  "event": [`/runs/${writer}`, "/review"], "time": [`/runs/${writer}`, "/review"],
  "playbook": ["/playbooks", "/playbooks/writer", `/runs/${writer}`],
  "fault": ["/", "/playbooks"], "file": ["/", "/playbooks"],
  "finish": [`/runs/${finisher}`, "/runs", "/"], "agents-comment": [`/task/${worked}`, `/runs/${finisher}`],
  "model": [`/runs/${thinker}`], "model-summary": [`/runs/${thinker}`, "/runs"],
  "model-comment": [`/task/${worked}`, `/runs/${thinker}`],
  "errors": [`/runs/${failer}`],
  "event-name": [`/task/${worked}`, `/runs/${hooked.runs[0]}`], "event-payload": [`/task/${worked}`, `/runs/${hooked.runs[0]}`],
  "upstream-description": ["/settings"],
  "query": [`${board}&text=${query}`, `${board}&tag=${query}`, `/runs?task=${query}`],
  "prose": prose.map((id) => `/task/${id}`),
};
