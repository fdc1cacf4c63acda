// Looks at every page as people do: light and dark, wide and narrow, with axe; works by keyboard alone; and
// finds nothing that the browser refused, nothing that was asked of another server.
import { browser, done, expect, link, pictures, url, wrong } from "./browser.mjs";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { page } = await browser();

// Sign-in, by keyboard.
await page.goto(link);
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
await page.waitForURL(`${url}/`);
expect((await page.textContent("h1")) === "Now", "a link of `rota open` signs in, by keyboard");

const runs = await page.evaluate(async () => {
  const text = await (await fetch("/runs?playbook=worker&state=succeeded")).text();
  return [...new DOMParser().parseFromString(text, "text/html").querySelectorAll('a[href^="/runs/"]')].map((a) => a.getAttribute("href"));
});
const pages = {
  now: "/", review: "/review", board: "/board", task: "/task/5", runs: "/runs", run: runs[0],
  undo: `${runs[0]}/undo`, playbooks: "/playbooks", playbook: "/playbooks/greeter", digest: "/digest?since=-7d",
  costs: "/costs", settings: "/settings", "not-found": "/task/999",
};
const [first] = await page.evaluate(async () => {
  const text = await (await fetch("/review")).text();
  return [...new DOMParser().parseFromString(text, "text/html").querySelectorAll("article a")].map((a) => a.getAttribute("href"));
});
if (first) pages["task-waiting"] = first;

// axe is run through the protocol, not as a script of the page: the policy stays in force.
async function looked(name, colorScheme, width) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const result = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return result.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary.split("\n")[1] ?? ""}`));
  });
  for (const line of found) wrong.push(`${name} ${colorScheme} ${width}: ${line}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) wrong.push(`${name} ${width}: ${wide} pixels wider than the window`);
  if (pictures) {
    const size = width > 600 ? "wide" : "phone";
    await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${size}.png`) });
  }
}

async function everyLook(name, arrive) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of [[1280, 900], [390, 844]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      await arrive();
      await looked(name, colorScheme, width);
    }
  }
}

for (const [name, path] of Object.entries(pages)) {
  await everyLook(name, async () => {
    const wanted = name === "not-found" ? 404 : 200;
    const before = wrong.length;
    const reply = await page.goto(url + path);
    // The browser says so of every answer that is no success.
    if (wanted !== 200) wrong.splice(before);
    if (reply.status() !== wanted) wrong.push(`${path}: ${reply.status()}`);
    // What comes later than the rest is looked at, too.
    await page.waitForFunction(() => !document.querySelector("[data-later]"));
  });
}
await everyLook("dry-run", async () => {
  await page.goto(`${url}/playbooks/renamer`);
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("Nothing of this was done").waitFor();
});
await everyLook("digest-earlier", async () => {
  await page.goto(`${url}/digest`);
  await page.getByText("What it said").first().click();
  await page.locator("#earlier").scrollIntoViewIfNeeded();
});
console.log(`-- axe looked at ${Object.keys(pages).length + 2} pages, light and dark, wide and narrow`);
await page.emulateMedia({ colorScheme: "light" });
await page.setViewportSize({ width: 1280, height: 900 });

// The skip link is the first thing, and leads to the page.
await page.goto(`${url}/board`);
await page.keyboard.press("Tab");
expect((await page.evaluate(() => document.activeElement.className)) === "skip", "the first tab is the skip link");
await page.keyboard.press("Enter");
expect(page.url().endsWith("#main"), "it leads to the page");

// Whoever looks through the choices of a filter stays where they are until they ask.
await page.goto(`${url}/runs`);
const choice = page.getByLabel("State");
await choice.focus();
await page.keyboard.press("ArrowDown");
await page.keyboard.press("Tab");
const chosen = await choice.inputValue();
expect(chosen !== "" && page.url() === `${url}/runs`, "a choice alone leads nowhere");
await page.getByRole("button", { name: "Show" }).click();
await page.waitForURL((place) => place.searchParams.get("state") === chosen);
expect((await page.getByLabel("State").inputValue()) === chosen, "the button of a filter asks");

// A card is moved by keyboard alone.
await page.goto(`${url}/board`);
const card = page.locator("[data-card]").first();
const id = await card.getAttribute("data-card");
const select = card.locator("select");
await select.focus();
const before = await select.inputValue();
await page.keyboard.press("ArrowDown");
await page.keyboard.press("Tab");
await Promise.all([page.waitForURL(/board/), page.waitForEvent("load"), page.keyboard.press("Enter")]);
const after = await page.locator(`[data-card="${id}"]`).evaluate((own) => own.closest("[data-column]").dataset.column);
expect(after !== before, "a card is moved by keyboard");
expect((await page.textContent(".remark")).includes(`#${id} is in`), "what was done is said");

// And dragged.
const target = page.locator("[data-column]").first();
await Promise.all([
  page.waitForEvent("load"),
  page.locator(`[data-card="${id}"]`).dragTo(target, { sourcePosition: { x: 5, y: 5 }, targetPosition: { x: 40, y: 12 } }),
]);
expect((await page.textContent(".remark")).includes(`#${id} is in`), "a card is dragged");

// Work is approved by keyboard.
await page.goto(`${url}/review`);
const approve = page.locator("article", { hasText: "work handed over" }).getByRole("button", { name: "Approve" });
if (await approve.count()) {
  await approve.first().focus();
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  expect((await page.textContent(".remark.good")).length > 0, "work is approved by keyboard");
} else wrong.push("no work waits in the house");

await done();
