// By keyboard alone, through every page from its beginning to its end: the skip link comes first, whatever can be
// done is reached, who is where is seen, and nobody is kept anywhere.
import { ada, arrive, done, expect, hears, signedIn, url, wrong } from "./browser.mjs";

const { page } = await signedIn(ada);
const run = await page.evaluate(async () => (await (await fetch("/runs?playbook=worker")).text()).match(/\/runs\/r-[a-z0-9]+/)[0]);

// The next one that is reached, in the order in which they were; nothing where the page is over.
const where = () => page.evaluate(() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  window.reached ??= [];
  const before = window.reached.indexOf(at);
  window.reached.push(at);
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
  const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
  const above = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return {
    before,
    name: at.outerHTML.slice(0, 120),
    kind: at.className,
    isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isSeen: right > left && bottom > top && Boolean(above) && (at.contains(above) || above.contains(at)),
  };
});

// Whatever can be reached and was not.
const missed = () => page.evaluate(() => {
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  return [...document.querySelectorAll(all)]
    .filter((own) => !own.disabled && own.checkVisibility() && !window.reached.includes(own))
    .map((own) => own.outerHTML.slice(0, 120));
});

const STEPS_MAX = 500;
async function walked(path) {
  await arrive(page, path);
  if (await page.locator("[data-live]").count()) await hears(page);
  for (let step = 0; ; step += 1) {
    await page.keyboard.press("Tab");
    const at = await where();
    if (step === 0 && at?.kind !== "skip") wrong.push(`${path}: the first tab is not the skip link`);
    // The end of the page, or its beginning again.
    if (!at || at.before === 0) break;
    if (at.before > 0 || step > STEPS_MAX) {
      wrong.push(`${path}: the keyboard is kept at ${at.name}`);
      break;
    }
    if (!at.isMarked) wrong.push(`${path}: nobody sees that they are at ${at.name}`);
    if (!at.isSeen) wrong.push(`${path}: out of sight: ${at.name}`);
  }
  for (const name of await missed()) wrong.push(`${path}: no keyboard reaches ${name}`);
  return page.evaluate(() => window.reached.length);
}

let count = 0;
const paths = ["/", "/review", "/board", "/task/5", "/runs", run, `${run}/undo`, "/playbooks", "/playbooks/greeter",
  "/digest?since=-7d", "/costs", "/settings"];
for (const path of paths) count += await walked(path);
expect(count > 200, `${count} places on ${paths.length} pages are reached by keyboard, in their order, and seen`);

await page.goto(`${url}/board`);
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
expect(page.url().endsWith("#main"), "the skip link leads to the page");
await page.keyboard.press("Tab");
const isInside = await page.evaluate(() => document.querySelector("main").contains(document.activeElement));
expect(isInside, "and past the navigation");
await done();
