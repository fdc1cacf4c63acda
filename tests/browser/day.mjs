// A person's whole day at the pages: what agents do appears by itself, and the person steps in.
import { ada, done, expect, hears, robot, signedIn, tool, url } from "./browser.mjs";

const { context, page } = await signedIn(ada);
const add = async (headline) => (await tool(robot, "addTask", { projectId: 1, headline, tags: ["day"] })).id;
const claim = async (task) => (await tool(robot, "claimTask", { task })).fence;
const [claimed, asked, handed] = [await add("Sort the pictures"), await add("Choose a colour"), await add("Mend the link")];

// A claim appears while the board is looked at.
await page.goto(`${url}/board?project=1&tag=day`);
await hears(page);
const card = (task) => page.locator(`[data-card="${task}"]`);
expect((await card(claimed).locator(".held, .yours").count()) === 0, "nobody works at it yet");
await claim(claimed);
await card(claimed).getByText("left").waitFor();
expect((await card(claimed).textContent()).includes("Robot"), "a claim appears on the board by itself, with whose it is and its lease");

// The person takes the task over.
await card(claimed).getByRole("link").first().click();
await page.waitForURL(`${url}/task/${claimed}`);
await page.getByText("Take it away").first().click();
await page.getByLabel("Why (it is written down)").fill("I do it myself.");
await page.getByRole("button", { name: "Take it away" }).click();
await page.locator(".remark.good").waitFor();
await page.goto(`${url}/task/${claimed}`);
expect((await page.locator("#claim").count()) === 0, "a task is taken away from an agent");
const refused = await tool(robot, "renewClaim", { task: claimed, fence: 1 }).then(() => false, () => true);
expect(refused, "the agent has lost it");

// A question appears while what waits is looked at, and is answered.
await page.goto(`${url}/review`);
await hears(page);
await tool(robot, "askPerson", { task: asked, fence: await claim(asked), question: "Which colour: red or blue?", person: "Ada" });
const question = page.locator("article", { hasText: "Which colour: red or blue?" });
await question.waitFor();
console.log("-- a question appears by itself");
await question.getByLabel("Your answer").fill("Blue.");
await question.getByRole("button", { name: "Answer" }).click();
await page.locator(".remark.good", { hasText: "answered" }).waitFor();
const answer = await tool(robot, "claimTask", { task: asked });
expect(JSON.stringify(answer).includes("Blue."), "the answer comes back to whoever asked");

// Work is handed over, appears, and is approved.
await hears(page);
await tool(robot, "submitForReview", { task: handed, fence: await claim(handed), summary: "The link leads home.", evidence: ["looked at it"], reviewer: "Ada" });
const work = page.locator("article", { hasText: "The link leads home." });
await work.waitFor();
await work.getByRole("button", { name: "Approve" }).focus();
await page.keyboard.press("Enter");
await page.locator(".remark.good").waitFor();
expect((await page.locator("article", { hasText: "The link leads home." }).count()) === 0, "work is approved");

// What somebody has begun to write is not taken away by what happens.
await page.goto(`${url}/task/${asked}`);
await hears(page);
await page.getByLabel("Your comment").fill("Half a sen");
await page.locator("h1").click();
const beside = await context.newPage();
await beside.goto(`${url}/task/${asked}`);
await hears(beside);
await tool(robot, "addComment", { module: "ticket", entityId: asked, text: "Meanwhile." });
const said = (where) => where.getByText("Meanwhile.", { exact: true });
await said(beside).waitFor();
await beside.close();
expect((await page.getByLabel("Your comment").inputValue()) === "Half a sen", "what is being written stays");
await page.getByLabel("Your comment").fill("");
await page.locator("h1").click();
await said(page).waitFor();
console.log("-- and what happened is shown once it is gone");

// A run is watched while it works, and stopped.
await tool(robot, "addTask", { projectId: 1, headline: "Walk", tags: ["walk"] });
await page.goto(url);
await hears(page);
const walking = fetch(`${url}/api/v1/playbooks/walker/run`, {
  method: "POST", headers: { authorization: `Bearer ${ada}`, "content-type": "application/json" }, body: "{}",
});
await page.locator("section", { has: page.locator("#running") }).getByRole("link", { name: "walker" }).click();
await page.waitForURL(/runs\/r-/);
await page.getByText(/step \d+/).first().waitFor();
const steps = await page.getByText(/step \d+/).count();
await page.waitForFunction((before) => (document.body.textContent.match(/step \d+/g) ?? []).length > before, steps);
console.log("-- the last line of a run appears by itself");
await page.getByRole("button", { name: "Stop this run" }).click();
await page.locator(".remark.good", { hasText: "stopped" }).waitFor();
expect((await page.getByRole("button", { name: "Stop this run" }).count()) === 0, "a run is stopped");
await walking;

// A run is undone, after seeing what that would do.
await tool(ada, "runPlaybook", { playbook: "renamer" });
await page.goto(`${url}/runs?playbook=renamer&state=succeeded`);
await page.locator('tbody a[href^="/runs/r-"]').first().click();
await page.getByRole("link", { name: "See what undoing would do" }).click();
await page.getByRole("heading", { name: "Undo a run" }).waitFor();
await page.getByRole("button", { name: "Put it back" }).click();
await page.locator(".remark.good", { hasText: "put back" }).waitFor();
expect((await page.locator(".remark").textContent()).startsWith("1 writes are put back"), "a run is undone");

// A card is moved by keyboard alone.
await page.goto(`${url}/board?project=1&tag=day`);
const select = card(claimed).locator("select");
const before = await select.inputValue();
await select.focus();
await page.keyboard.press((await select.evaluate((own) => own.selectedIndex)) ? "ArrowUp" : "ArrowDown");
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
await page.locator(".remark.good", { hasText: `#${claimed} is in` }).waitFor();
expect((await card(claimed).locator("select").inputValue()) !== before, "a card is moved by keyboard");
await done();
