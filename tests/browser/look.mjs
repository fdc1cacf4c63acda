// Looks at every page as people do: light and dark, wide and narrow, with axe; works by keyboard alone; and
// finds nothing that the browser refused, nothing that was asked of another server.
import { looked, lookedAt } from "./axe.mjs";
import { arrive, done, expect, pictures, signedInByLink, url, wrong } from "./browser.mjs";

const { page } = await signedInByLink();
expect((await page.textContent("h1")) === "Now", "a link of `rota open` signs in, by keyboard");

const links = (path, where) => page.evaluate(async ([path, where]) => {
  const text = await (await fetch(path)).text();
  return [...new DOMParser().parseFromString(text, "text/html").querySelectorAll(where)].map((a) => a.getAttribute("href"));
}, [path, where]);
const [run] = await links("/runs?playbook=worker&state=succeeded", 'a[href^="/runs/"]');
const [waiting] = await links("/review", "article a");
const pages = {
  now: "/", review: "/review", board: "/board", task: "/task/5", "task-waiting": waiting, runs: "/runs", run,
  undo: `${run}/undo`, playbooks: "/playbooks", playbook: "/playbooks/greeter", digest: "/digest?since=-7d",
  costs: "/costs", settings: "/settings", "not-found": "/task/999",
};
for (const [name, path] of Object.entries(pages)) {
  await arrive(page, path, name === "not-found" ? 404 : 200);
  await looked(page, name, { pictures });
}
await page.goto(`${url}/playbooks/renamer`);
await page.getByRole("button", { name: "Dry run" }).click();
await page.getByText("Nothing of this was done").waitFor();
await looked(page, "dry-run", { pictures });
await page.goto(`${url}/digest`);
await page.getByText("What it said").first().click();
await looked(page, "digest-earlier", { pictures, ready: () => page.locator("#earlier").scrollIntoViewIfNeeded() });
console.log(`-- axe looked at ${lookedAt()} pages, light and dark, wide and narrow`);

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
