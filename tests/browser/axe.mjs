// Looks at a page as people do: light and dark, wide and narrow. axe finds nothing, and nothing hangs out of the window.
import { wrong } from "./browser.mjs";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 780 };
// So narrow is a page of 1280 pixels that somebody has made four times as large.
const LARGE_PRINT = { width: 320, height: 780 };

export const LOOKS = [["light", WIDE], ["light", PHONE], ["dark", PHONE], ["dark", WIDE]];
// Each colour and each width once: enough where another page of the same sort is looked at in every way.
export const TWO_LOOKS = [["light", WIDE], ["dark", PHONE]];

let count = 0;
// So many pages were looked at.
export const lookedAt = () => count;

// axe is run through the protocol, not as a script of the page: the policy stays in force. Pictures are taken into a
// folder, where one is named, each after `ready`.
export async function looked(page, name, { looks = LOOKS, pictures, ready = () => {} } = {}) {
  if (looks.length) {
    count += 1;
    await page.evaluate(axe);
  }
  for (const [colorScheme, size] of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await ready();
    const found = await page.evaluate(async (values) => {
      const result = await axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"] });
      return result.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary.split("\n")[1] ?? ""}`));
    }, TAGS);
    for (const line of found) wrong.push(`${name} ${colorScheme} ${size.width}: ${line}`);
    await fits(page, name);
    if (pictures) {
      const kind = size === WIDE ? "wide" : "phone";
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${kind}.png`) });
    }
  }
  await page.setViewportSize(LARGE_PRINT);
  await fits(page, name);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(WIDE);
}

async function fits(page, name) {
  const { over, width } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { over: scrollWidth - clientWidth, width: clientWidth };
  });
  if (over > 0) wrong.push(`${name} ${width}: ${over} pixels wider than the window`);
}
