// What is seldom to be seen: a column alone, a playbook with faults, what is refused and what was not done, what a
// reader sees. axe finds nothing there either.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOOKS, TWO_LOOKS, looked, lookedAt } from "./axe.mjs";
import { ada, arrive, done, eve, expect, house, refusedAt, robot, signedIn, tool, url, wrong } from "./browser.mjs";

const { page } = await signedIn(ada);
const statuses = (await tool(ada, "getStatusLabels", { projectId: 1 })).items;
await arrive(page, `/board?project=1&column=${statuses[0].id}`);
await page.getByRole("link", { name: "All columns" }).waitFor();
await looked(page, "a column alone");
await arrive(page, "/board?project=1&text=nothing+is+called+so");
await looked(page, "a board without tasks", { looks: TWO_LOOKS });
await arrive(page, "/costs?by=task&since=-7d");
await looked(page, "costs by task", { looks: TWO_LOOKS });
await page.goto(`${url}/board`);
await page.getByText("Add a task").click();
await looked(page, "a new task", { looks: TWO_LOOKS });
await page.goto(`${url}/task/5`);
for (const summary of await page.locator("summary").all()) await summary.click();
await looked(page, "a task with all of it open");

// A playbook with faults: the last good version is in force, and three pages say so.
const file = join(house, "agents", "renamer.toml");
const good = readFileSync(file, "utf8");
appendFileSync(file, "\n[limti]\nturns = \"many\"\n");
// It is read by itself.
const alarm = page.getByRole("alert").filter({ hasText: "renamer.toml" });
const shows = async (path) => {
  await page.goto(url + path);
  return alarm.count();
};
while (!(await shows("/playbooks")));
expect((await alarm.textContent()).includes("limti"), "a playbook's faults stand above the list");
await looked(page, "playbooks with faults");
await arrive(page, "/");
await alarm.locator("summary").click();
await looked(page, "now with faults");
await arrive(page, "/playbooks/renamer");
await looked(page, "a playbook with faults");
writeFileSync(file, good);
while (await shows("/playbooks"));

// What was not done is given back: the task went while somebody wrote about it.
const task = (await tool(robot, "addTask", { projectId: 1, headline: "Soon gone" })).id;
await page.goto(`${url}/task/${task}`);
await page.getByLabel("Your comment").fill("What somebody took an hour to write.");
await tool(ada, "deleteTask", { id: task, confirm: `${task}` });
refusedAt(`/task/${task}/comment`);
await page.getByRole("button", { name: "Comment" }).click();
await page.getByRole("heading", { name: "Not done" }).waitFor();
expect((await page.locator("textarea").inputValue()) === "What somebody took an hour to write.", "what was not done is given back");
await looked(page, "not done");

// Nor is a task that cannot be added as it was written.
await page.goto(`${url}/board`);
await page.getByText("Add a task").click();
await page.getByLabel("Headline").fill("What somebody thought about");
await page.locator("#new-assignee").evaluate((own) => { own.selectedOptions[0].value = "Nobody of this name"; });
refusedAt("/board");
await page.getByRole("button", { name: "Add", exact: true }).click();
await page.getByRole("alert").waitFor();
expect((await page.getByLabel("Headline").inputValue()) === "What somebody thought about", "a form that is refused is there as it was sent");
await looked(page, "a form that is refused");

// A run that is not over cannot be undone.
const runs = async (playbook) => (await tool(ada, "listRuns", { playbook })).items.map((own) => own.id);
await arrive(page, `/runs/${(await runs("proposer")).at(-1)}/undo`, 400);
await looked(page, "what cannot be done", { looks: TWO_LOOKS });

// A form of another session.
await page.goto(`${url}/task/5`);
await page.getByLabel("Your comment").fill("Said by whom?");
await page.locator('form[action="/task/5/comment"] input[name="mark"]').evaluate((own) => { own.value = "another's"; });
refusedAt("/task/5/comment");
await page.getByRole("button", { name: "Comment" }).click();
await page.getByText("This form is of another session").waitFor();
await looked(page, "a form of another session");

// Whoever only reads is shown the same without what they may not do, and refused what they ask for all the same.
const { page: readers } = await signedIn(eve);
const [run] = await runs("worker");
for (const path of ["/", "/review", "/board", "/task/5", "/playbooks/greeter", "/settings"]) {
  await arrive(readers, path);
  const posts = await readers.locator("main form[method=post] button").allTextContents();
  const others = posts.filter((own) => !/Sign out everywhere|End|Revoke/.test(own));
  if (others.length) wrong.push(`${path}: a reader is offered ${others}`);
  await looked(readers, `${path} for a reader`, { looks: TWO_LOOKS });
}
await arrive(readers, `/runs/${run}/undo`, 403);
expect((await readers.textContent("h1")) === "Not allowed", "a reader is refused, and told why");
await looked(readers, "not allowed", { looks: LOOKS });
console.log(`-- axe looked at ${lookedAt()} pages that are seldom seen`);
await done();
