// Every page of the demo's house: whatever a page leads to is a page, with what belongs on it, and axe finds nothing.
import { TWO_LOOKS, looked, lookedAt } from "./axe.mjs";
import { arrive, done, expect, signedInByLink, wrong } from "./browser.mjs";

// What stands on each sort of page, by its address: its title, then its parts.
const SORTS = [
  [/^\/$/, "Now", "Running", "Waits for", "Coming", "Today", "Just ended"],
  [/^\/review$/, "Review"],
  [/^\/board/, "Board", "Done"],
  [/^\/task\/\d+/, /^#\d+ ./, "What is to be done", "Comments", "Facts", "Runs", "Why", "Activity"],
  [/^\/runs(\?.*)?$/, "Runs"],
  [/^\/runs\/r-[^/]+\/undo$/, "Undo a run"],
  [/^\/runs\/r-[^/]+$/, /^Run of ./, "Timeline", "Facts"],
  [/^\/playbooks$/, "Playbooks"],
  [/^\/playbooks\//, /./, "Coming", "What came of the last occurrences", "Runs", "How it stands", "Step in"],
  [/^\/digest/, "Digest", "As Slack shows it", "Earlier digests"],
  [/^\/costs/, "Costs", "By day"],
  [/^\/settings/, "Settings", "You", "Signed in", "Tokens", "People and agents", "Health", "Record", "Other servers"],
];
// Of each sort axe looks at the first ones, and would say the same of those after them: that they are there and fit is
// seen, unless they only narrow a list or ask whether something is to be undone.
const [LOOKED, MOST] = [2, 25];
const MANY = /^\/(task\/\d+|runs\/r-[^/]+|playbooks\/[^/?]+)$/;

const { page } = await signedInByLink();
const open = ["/", "/review", "/board", "/runs", "/playbooks", "/digest?since=-7d", "/costs", "/settings"];
const seen = new Map();
const fits = (said, wanted) => (wanted instanceof RegExp ? wanted.test(said) : said === wanted);
for (const path of open) {
  const sort = SORTS.find(([address]) => address.test(path));
  if (!sort) {
    wrong.push(`${path}: nobody knows what this is`);
    continue;
  }
  const [address, title, ...parts] = sort;
  const count = (seen.get(address)?.length ?? 0) + 1;
  if (count > (MANY.test(path) ? MOST : LOOKED)) continue;
  seen.set(address, [...(seen.get(address) ?? []), path]);
  await arrive(page, path);
  const { said, headings, links } = await page.evaluate(() => ({
    said: document.querySelector("h1").textContent,
    headings: [...document.querySelectorAll("h2")].map((own) => own.textContent),
    links: [...document.querySelectorAll('a[href^="/"]')].map((own) => own.getAttribute("href").split("#")[0]),
  }));
  if (!fits(said, title)) wrong.push(`${path}: its title is ${said}`);
  for (const part of parts) if (!headings.some((own) => own.startsWith(part))) wrong.push(`${path}: no ${part} among ${headings}`);
  await looked(page, `demo ${path}`, { looks: count <= LOOKED ? TWO_LOOKS : [] });
  for (const next of new Set(links)) if (!open.includes(next)) open.push(next);
}
for (const [address] of SORTS) if (!seen.get(address)) wrong.push(`no page was like ${address}`);
const all = [...seen.values()].flat().length;
expect(all > 60, `${all} pages of the demo's house, of ${seen.size} sorts; axe looked at ${lookedAt()}`);
await done();
