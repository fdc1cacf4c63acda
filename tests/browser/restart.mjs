// The server is restarted under an open page: it goes on by itself, in the same session.
import { execFileSync } from "node:child_process";
import { ada, again, done, expect, hears, robot, signedIn, tool, url } from "./browser.mjs";

// While nobody is there a browser says so.
const { context, page } = await signedIn(ada, { forgive: (text) => /ERR_|Failed to fetch|NetworkError/.test(text) });
await page.goto(`${url}/board?project=1&tag=again`);
await hears(page);
const cookie = (await context.cookies()).map((own) => own.name).join();
const session = await page.locator('input[name="mark"]').first().getAttribute("value");
execFileSync(again, { stdio: "inherit" });
const task = (await tool(robot, "addTask", { projectId: 1, headline: "After the restart", tags: ["again"] })).id;
await page.locator(`[data-card="${task}"]`).waitFor();
console.log("-- a page that was open shows what happened after a restart");
await hears(page);
const later = (await tool(robot, "addTask", { projectId: 1, headline: "And later", tags: ["again"] })).id;
await page.locator(`[data-card="${later}"]`).waitFor();
console.log("-- and hears again");
expect((await page.locator('input[name="mark"]').first().getAttribute("value")) === session, "it is the same session");
expect((await context.cookies()).map((own) => own.name).join() === cookie, "with the same cookie");
await page.locator(`[data-card="${task}"] button`, { hasText: "Move" }).click();
await page.locator(".remark.good").waitFor();
console.log("-- a form that was shown before the restart counts after it");
await done();
