// A house in which nothing has happened yet: every page says what comes next, also to whoever is not signed in.
import { LOOKS, TWO_LOOKS, looked, lookedAt } from "./axe.mjs";
import { arrive, browser, done, expect, link, refusedAt, signedInByLink, url, wrong } from "./browser.mjs";

// At the door: who has nothing yet, whose token does not count, who has a link, whose link is used up.
const { page: outside } = await browser();
await arrive(outside, "/sign-in");
await looked(outside, "sign-in");
refusedAt("/sign-in");
await outside.getByLabel("Personal token").fill("no token of this house");
await outside.keyboard.press("Enter");
await outside.getByRole("alert").waitFor();
await looked(outside, "sign-in refused", { looks: TWO_LOOKS });
await outside.goto(link);
await outside.getByText("signs you in, once").waitFor();
await looked(outside, "link");

const { page } = await signedInByLink();
refusedAt(new URL(link).pathname);
await outside.getByRole("button", { name: "Sign in" }).click();
await outside.getByText("used already").waitFor();
await looked(outside, "link used up", { looks: TWO_LOOKS });
await outside.goto(`${url}/settings`);
expect(outside.url().includes("/sign-in"), "a link counts once, and whoever is not signed in is led to the door");

// What a page says while there is nothing on it, and what it names to go on with.
const EMPTY = {
  "/": ["No agent is at work.", "Nothing waits.", "Nothing is planned.", "No run has ended yet.", "Playbooks"],
  "/review": ["Nothing waits for a person.", "it stands here"],
  "/board": ["There is no project yet.", "rota project add"],
  "/runs": ["No run fits.", "Try one by hand"],
  "/playbooks": ["There is no playbook yet.", "rota init"],
  "/digest": ["Nothing happened, and nothing is due.", "No digest was told yet"],
  "/costs": ["Nothing was used yet.", "rota.toml"],
  "/settings": ["No tokens yet.", "rota token create", "None are named"],
};
for (const [path, texts] of Object.entries(EMPTY)) {
  await arrive(page, path);
  const said = await page.textContent("main");
  for (const text of texts) if (!said.includes(text)) wrong.push(`${path}: it does not say "${text}"`);
  await looked(page, `empty ${path}`, { looks: LOOKS });
}
for (const [path, status] of [["/task/1", 404], ["/playbooks/none", 404], ["/runs/r-none", 404], ["/board?project=7", 200]]) {
  await arrive(page, path, status);
  await looked(page, `nothing at ${path}`, { looks: TWO_LOOKS });
}

// Everything is stopped, and started again.
await arrive(page, "/");
await page.getByText("Stop everything").first().click();
await looked(page, "about to stop everything", { looks: TWO_LOOKS });
await page.getByLabel("Why").fill("Something is odd.");
await page.getByRole("button", { name: "Stop everything" }).click();
const alarm = page.getByRole("alert").filter({ hasText: "Everything is stopped" });
await alarm.waitFor();
expect((await alarm.textContent()).includes("Something is odd."), "whoever comes sees that everything is stopped, and why");
await looked(page, "everything stopped");
await page.getByRole("button", { name: "Start again" }).click();
await alarm.waitFor({ state: "detached" });
console.log(`-- axe looked at ${lookedAt()} pages of a house that is new`);
await done();
