// Whatever people and agents can write tries to run, and pages of elsewhere try to act: nothing runs, nothing is done.
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ada, bob, browser, done, expect, hears, house, robot, signedIn, tool, url, wrong } from "./browser.mjs";

const ATTEMPTS = [
  "<script>window.pwned=1</script>",
  "\"><img src=x onerror=\"window.pwned=1\">",
  "</textarea></title></style></script><svg onload=window.pwned=1>",
  "' autofocus onfocus='window.pwned=1' x='",
  "[click](javascript:window.pwned=1) <https://example.com|x> <javascript:window.pwned=1|y>",
  "<div hx-get=/stop-all hx-trigger=load hx-on:load=window.pwned=1 data-live id=live>x</div>",
];
const all = ATTEMPTS.join(" ");
const person = (await tool(ada, "addPerson", { name: ATTEMPTS[0], kind: "agent", role: "editor" })).name;
const project = (await tool(ada, "addProject", {
  name: ATTEMPTS[1], details: all,
  statuses: [{ label: ATTEMPTS[2], kind: "new" }, { label: "<i onclick=window.pwned=1>Doing", kind: "in_progress" }, { label: "<u onclick=window.pwned=1>Waits", kind: "waiting" },
    { label: "<b onclick=window.pwned=1>Done", kind: "done" }],
})).id;
const tasks = [];
for (const attempt of ATTEMPTS) {
  const task = (await tool(robot, "addTask", {
    projectId: project, headline: attempt, description: all, acceptanceCriteria: all, tags: [attempt.replaceAll(",", " ").slice(0, 60)], editorId: person,
  })).id;
  tasks.push(task);
  await tool(robot, "addComment", { module: "ticket", entityId: task, text: all });
  await tool(robot, "addSubtask", { parentTicket: task, headline: attempt });
  await tool(robot, "addProjectStatusUpdate", { projectId: project, status: "red", text: attempt });
}
const held = async (task) => (await tool(robot, "claimTask", { task })).fence;
await tool(robot, "askPerson", { task: tasks[0], fence: await held(tasks[0]), question: all, person: "Ada" });
await tool(robot, "submitForReview", { task: tasks[1], fence: await held(tasks[1]), summary: all, evidence: [all], reviewer: "Ada" });
await tool(ada, "addPerson", { name: "AI-Hostile", kind: "agent", role: "editor" });
const quoted = JSON.stringify(all);
writeFileSync(join(house, "agents", "hostile.toml"), `
description = ${quoted}
agent = "AI-Hostile"
[select]
project = [${JSON.stringify(ATTEMPTS[1])}]
limit = 1
[claim]
[work]
runner = "steps"
tools = ["addComment", "finish"]
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = "{{task.id}}", text = ${quoted} }
[[step]]
tool = "finish"
args = { outcome = "done", summary = ${quoted} }
[outcome.done]
[limits]
attempts = 1
`);

const { context, page } = await signedIn(ada);
page.on("dialog", (dialog) => wrong.push(`a dialog: ${dialog.message()}`));
// A new playbook is read by itself.
for (;;) {
  await page.goto(`${url}/playbooks`);
  if (await page.locator('a[href="/playbooks/hostile"]').count()) break;
}
const ran = await fetch(`${url}/api/v1/playbooks/hostile/run`, {
  method: "POST", headers: { authorization: `Bearer ${ada}`, "content-type": "application/json" }, body: JSON.stringify({ task: tasks[2] }),
});
const report = await ran.json();
const run = report.run;
if (report.state !== "succeeded") wrong.push(`nothing was planted by an agent: ${JSON.stringify(report)}`);

const paths = ["/", "/review", `/board?project=${project}`, "/runs", `/runs/${run}`, `/runs/${run}/undo`, "/playbooks",
  "/playbooks/hostile", "/digest?since=-7d", "/costs?by=task", "/settings?look=health", ...tasks.map((task) => `/task/${task}`)];
let seen = 0;
for (const path of paths) {
  await page.goto(url + path);
  await page.evaluate(() => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const part of document.querySelectorAll("main *")) part.dispatchEvent(new MouseEvent("mouseover"));
  });
  seen += (await page.textContent("body")).split("pwned").length - 1;
  const found = await page.evaluate(() => ({
    pwned: window.pwned,
    alien: [...document.querySelectorAll("main script, main iframe, main img, main style, [onload], [onerror], [onfocus], [onclick], main [hx-get], a[href^='javascript']")].length,
  }));
  if (found.pwned || found.alien) wrong.push(`${path}: ${JSON.stringify(found)}`);
}
expect(seen > 100, `what was planted stands on ${paths.length} pages as text, ${seen} times, and nothing of it ran`);
// Also where a part of a page is put in while it is open.
await page.goto(`${url}/task/${tasks[5]}`);
await hears(page);
await tool(robot, "addComment", { module: "ticket", entityId: tasks[5], text: `fresh ${all}` });
await page.getByText("fresh").first().waitFor();
expect((await page.evaluate(() => window.pwned)) === undefined, "nor in a part that came later");
await page.goto(`${url}/playbooks/hostile`);
await page.getByRole("button", { name: "Dry run" }).click();
await page.getByRole("heading", { name: "Dry run of hostile" }).waitFor();
expect((await page.evaluate(() => window.pwned)) === undefined, "nor in a dry run");

// A page of elsewhere on the same machine: its forms come with the cookie, and count for nothing.
const evil = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end(`<form id=f method=post action="${url}/stop-all"><input name=reason value=pwned><input name=mark value=x></form>
    <form id=g method=post action="${url}/task/1/comment"><input name=text value=csrf-planted></form>
    <iframe src="${url}/settings"></iframe>`);
}).listen(0, "127.0.0.1");
await new Promise((resolve) => evil.once("listening", resolve));
const elsewhere = `http://127.0.0.1:${evil.address().port}/`;
const { context: victims, page: victim } = await signedIn(bob, { forgive: () => true });
const bait = await victims.newPage();
for (const form of ["#f", "#g"]) {
  await bait.goto(elsewhere);
  const [answer] = await Promise.all([bait.waitForNavigation(), bait.locator(form).evaluate((own) => own.submit())]);
  expect(answer.status() === 403, `a form of elsewhere (${form}) is refused`);
}
await bait.goto(elsewhere);
const tried = await bait.evaluate(async (target) => {
  const send = (path, options) => fetch(target + path, { credentials: "include", ...options }).then((answer) => answer.text(), () => "");
  const read = [await send("/settings"), await send("/live"), await send("/api/v1/state")];
  await send("/stop-all", { method: "POST", mode: "no-cors", body: new URLSearchParams({ reason: "pwned" }) });
  await send("/sign-out", { method: "POST", mode: "no-cors" });
  return { read: read.join("").length, frame: document.querySelector("iframe").contentDocument?.body?.textContent ?? "" };
}, url);
expect(tried.read === 0 && tried.frame === "", "nothing is read from elsewhere, in no frame either");
await victim.goto(url);
expect(victim.url() === `${url}/` && !(await victim.textContent("body")).includes("Everything is stopped"), "and nothing was done: still signed in, nothing stopped");
await victim.goto(`${url}/task/1`);
expect(!(await victim.textContent("body")).includes("csrf-planted"), "no comment was planted");
evil.close();

// A session that somebody put into the browser is not the one that begins.
const [fixed] = (await victims.cookies()).filter((own) => own.name.startsWith("rota"));
const { context: fresh, page: prey } = await browser();
await fresh.addCookies([{ name: fixed.name, value: fixed.value, url }]);
await prey.goto(`${url}/sign-in`);
await prey.getByLabel("Personal token").fill(ada);
await Promise.all([prey.waitForURL(`${url}/`), prey.keyboard.press("Enter")]);
const [now] = (await fresh.cookies()).filter((own) => own.name === fixed.name);
expect(now.value !== fixed.value && now.httpOnly && now.sameSite === "Lax", "signing in begins another session than the one that was planted");
await victim.goto(url);
expect(/sign-in/.test(victim.url()), "and what was planted is worth nothing any more");
expect((await prey.evaluate(() => document.cookie)) === "", "no script reads the cookie");
await context.close();
await done();
