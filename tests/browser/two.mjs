// Two people, each in a browser of their own: what one decides, the other's page shows by itself.
import { ada, bob, done, expect, hears, robot, signedIn, tool, url } from "./browser.mjs";

const [{ page: adas }, { page: bobs }] = [await signedIn(ada), await signedIn(bob)];
const task = (await tool(robot, "addTask", { projectId: 1, headline: "For two", tags: ["two"] })).id;
const { fence } = await tool(robot, "claimTask", { task });
await tool(robot, "submitForReview", { task, fence, summary: "Two look at this.", evidence: ["seen"], reviewer: "Ada" });
const work = (page) => page.locator("article", { hasText: "Two look at this." });
for (const page of [adas, bobs]) {
  await page.goto(`${url}/review`);
  await hears(page);
  await work(page).waitFor();
}
await work(adas).getByRole("button", { name: "Approve" }).click();
await adas.locator(".remark.good").waitFor();
await work(bobs).waitFor({ state: "detached" });
console.log("-- what one decided is gone from the other's page by itself");

// A board that both look at.
for (const page of [adas, bobs]) {
  await page.goto(`${url}/board?project=1&tag=two`);
  await hears(page);
}
const column = (page) => page.locator("[data-column]", { has: page.locator(`[data-card="${task}"]`) });
const before = await column(adas).getAttribute("data-column");
const target = (await bobs.locator("[data-column]").evaluateAll((all) => all.map((own) => own.dataset.column))).find((own) => own !== before);
await bobs.locator(`[data-card="${task}"] select`).selectOption(target);
await bobs.locator(`[data-card="${task}"] button`, { hasText: "Move" }).click();
await bobs.locator(".remark.good").waitFor();
await adas.locator(`[data-column="${target}"] [data-card="${task}"]`).waitFor();
console.log("-- a card that one moved moves on the other's board");

// The first decision counts, whoever clicks second is told so.
const second = (await tool(robot, "addTask", { projectId: 1, headline: "Once" })).id;
const held = await tool(robot, "claimTask", { task: second });
await tool(robot, "submitForReview", { task: second, fence: held.fence, summary: "Decide once.", evidence: ["seen"], reviewer: "Ada" });
for (const page of [adas, bobs]) await page.goto(`${url}/review`);
const once = (page) => page.locator("article", { hasText: "Decide once." });
await once(bobs).getByLabel("Comment").fill("I am still thinking");
await once(adas).getByRole("button", { name: "Approve" }).click();
await adas.locator(".remark.good").waitFor();
await once(bobs).getByRole("button", { name: "Approve" }).click();
await bobs.locator(".remark").waitFor();
expect((await bobs.locator(".remark").textContent()).includes("before"), "the second decision hears of the first");

// Whoever signs out everywhere is led to the sign-in in every browser.
const { page: adas2 } = await signedIn(ada);
await adas2.goto(url);
await hears(adas2);
await adas.goto(`${url}/settings`);
await adas.getByRole("button", { name: "Sign out everywhere" }).click();
await adas.waitForURL(/sign-in/);
await adas2.waitForURL(/sign-in/);
console.log("-- signing out everywhere ends the page that is open elsewhere");
await done();
