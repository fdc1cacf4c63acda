// Whatever people, agents and other programs can write tries to run, on each page where it is shown: there it is
// text, and nothing else.
import { ada, arrive, done, expect, hears, refusedAt, robot, signedIn, tool, url, wrong } from "./browser.mjs";
import { ATTEMPTS, planted } from "./planted-texts.mjs";
import { WHERE, prose, run, task, wanted, writer } from "./planting.mjs";

// By a token whose name means harm.
const { context, page } = await signedIn(process.env.ROTA_HARM);
page.on("dialog", (dialog) => {
  wrong.push(`a dialog: ${dialog.message()}`);
  dialog.dismiss();
});
await context.addInitScript(() => {
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
});

const ALIEN = [...["script", "iframe", "img", "style", "base", "meta", "[hx-get]"].map((own) => `main ${own}`), "[onload]",
  "[onerror]", "[onfocus]", "[onclick]", "a[href^='javascript']"].join();

// What stands on the page, in its texts and in its fields, and what does not belong there.
async function walked(path, fields, arrived) {
  if (!arrived) await arrive(page, path);
  await page.evaluate(() => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const part of document.querySelectorAll("main *")) part.dispatchEvent(new MouseEvent("mouseover"));
  });
  const found = await page.evaluate((alien) => ({
    said: [document.body.textContent, ...[...document.querySelectorAll("input, textarea")].map((own) => own.value)].join("\n"),
    made: [...document.querySelectorAll("[id^='p-']")].map((own) => own.id),
    alien: document.querySelectorAll(alien).length,
    pwned: Boolean(window.pwned),
    refused: window.refused,
  }), ALIEN);
  for (const field of fields) if (!found.said.includes(planted(field))) wrong.push(`${path}: does not show ${field}`);
  const { said, ...harm } = found;
  if (harm.made.length || harm.alien || harm.pwned || harm.refused.length) wrong.push(`${path}: ${JSON.stringify(harm)}`);
}

const shown = new Map();
for (const [field, paths] of Object.entries(WHERE)) for (const path of paths) shown.set(path, [...(shown.get(path) ?? []), field]);
for (const path of ["/playbooks/hooked", `/runs/${writer}/undo`, "/costs?by=task"]) shown.set(path, []);
for (const [path, fields] of shown) await walked(path, fields);
expect(wrong.length === 0, `${Object.keys(WHERE).length} fields, ${shown.size} pages: what was planted is text there`);
for (const id of prose) {
  await page.goto(`${url}/task/${id}`);
  const said = await page.textContent("main");
  for (const attempt of ATTEMPTS) if (!said.includes(attempt.slice(0, 20))) wrong.push(`/task/${id}: ${attempt} is not shown`);
}

await page.goto(`${url}/digest`);
const earlier = await page.locator('section[aria-labelledby="earlier"]').textContent();
if (!earlier.includes(planted("milestone"))) wrong.push("the digest that was told does not say the milestone");

// While a program runs, its last line; in a part that is put into an open page, too.
const running = run("talker", { task: prose[2] });
await page.goto(url);
await hears(page);
await page.locator("section", { has: page.locator("#running") }).getByText(planted("output")).waitFor();
await walked("/ while a program runs", ["output"], true);
await page.locator("section", { has: page.locator("#running") }).getByRole("link", { name: "talker" }).click();
await page.waitForURL(/runs\/r-/);
await page.getByText(planted("output")).first().waitFor();
await walked("its run", ["output"], true);

// Everything is stopped, for a reason.
await tool(ada, "stopAll", { reason: planted("stop") });
await running;
await walked("/", ["stop"]);
await walked("/settings", ["stop"]);
await tool(ada, "startAll");

await page.goto(`${url}/task/${task}`);
await hears(page);
await tool(robot, "addComment", { module: "ticket", entityId: task, text: planted("fresh") });
await page.getByText(planted("fresh")).first().waitFor();
await walked("a task on which something happens", ["fresh"], true);
await page.goto(`${url}/playbooks/finisher`);
await page.getByRole("button", { name: "Dry run" }).click();
await page.getByRole("heading", { name: "Dry run of finisher" }).waitFor();
await walked("a dry run", ["agents-comment"], true);

// What was not done is given back.
await page.goto(`${url}/task/${wanted}`);
await page.getByLabel("Your comment").fill(planted("returned"));
await tool(ada, "releaseClaim", { task: wanted, reason: "It goes." });
await tool(ada, "deleteTask", { id: wanted, confirm: `${wanted}` });
refusedAt(`/task/${wanted}/comment`);
await page.getByRole("button", { name: "Comment" }).click();
await page.getByRole("heading", { name: "Not done" }).waitFor();
await walked("what was not done", ["returned"], true);
console.log("-- nor does it run in what comes later, in a dry run, or in what is given back");
await done();
