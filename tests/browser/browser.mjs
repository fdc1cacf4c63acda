// What every look at the pages shares: browsers, people who sign in, what was wrong, and the API by which others act.
import { chromium } from "playwright-core";

export const {
  ROTA_URL: url, ROTA_LINK: link, ROTA_BROWSER_PROGRAM: program, ROTA_PICTURES: pictures, ROTA_HOUSE: house,
  ROTA_ADA: ada, ROTA_BOB: bob, ROTA_EVE: eve, ROTA_ROBOT: robot, ROTA_AGAIN: again,
} = process.env;

// So long something is waited for that is to happen by itself.
export const PATIENCE = 30000;

export const wrong = [];
export const expect = (holds, what) => {
  if (holds) console.log(`-- ${what}`);
  else wrong.push(what);
};

const running = await chromium.launch({
  executablePath: program,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

// Places that are to refuse: a browser complains of each answer that is no success.
const refusals = new Set();
export const refusedAt = (path) => refusals.add(url + path);

// A browser of somebody's own. Whatever it complains of, or asks of another server, is wrong, unless it is forgiven.
export async function browser({ forgive = () => false } = {}) {
  const context = await running.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  const complain = (text) => {
    if (!forgive(text)) wrong.push(text);
  };
  context.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !to.startsWith("data:")) complain(`asked for ${to}`);
  });
  context.on("console", (message) => {
    const isRefusal = message.text().startsWith("Failed to load resource") && refusals.has(message.location().url);
    if (["error", "warning"].includes(message.type()) && !isRefusal) complain(`${message.page()?.url()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complain(`${error.error()}`));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  return { context, page };
}

// Goes there, and finds all that comes later, too. Whatever else it answers with is wrong.
export async function arrive(page, path, status = 200) {
  if (status !== 200) refusedAt(path);
  const reply = await page.goto(url + path);
  if (reply.status() !== status) wrong.push(`${path}: ${reply.status()}, not ${status}`);
  await page.waitForFunction(() => !document.querySelector("[data-later]"));
}

// Signs in by a link of `rota open`, by keyboard.
export async function signedInByLink(options) {
  const { context, page } = await browser(options);
  await page.goto(link);
  await page.keyboard.press("Tab");
  await Promise.all([page.waitForURL(`${url}/`), page.keyboard.press("Enter")]);
  return { context, page };
}

// Signs in with a personal token, as whoever has no link does.
export async function signedIn(token, options) {
  const { context, page } = await browser(options);
  await page.goto(`${url}/sign-in`);
  await page.getByLabel("Personal token").fill(token);
  await Promise.all([page.waitForURL(`${url}/`), page.keyboard.press("Enter")]);
  return { context, page };
}

// Calls a tool, as a program or somebody's assistant does.
export async function tool(token, name, args = {}) {
  const answer = await fetch(`${url}/api/v1/tools/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(args),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(said)}`);
  return said;
}

// Whether a page has its stream: what happens from then on is heard.
export async function hears(page) {
  await page.waitForFunction(() => document.documentElement.dataset.hears === "yes");
}

export async function done() {
  await running.close();
  if (wrong.length) failed();
}

function failed() {
  console.error(wrong.map((line) => `WRONG: ${line}`).join("\n"));
  process.exit(1);
}

// What was wrong before may say why.
process.on("uncaughtException", (error) => {
  wrong.push(error.stack);
  failed();
});
