// What every look at the pages shares: browsers, people who sign in, what was wrong, and the API by which others act.
import { chromium } from "playwright-core";

export const {
  ROTA_URL: url, ROTA_LINK: link, ROTA_BROWSER_PROGRAM: program, ROTA_PICTURES: pictures, ROTA_HOUSE: house,
  ROTA_ADA: ada, ROTA_BOB: bob, ROTA_ROBOT: robot, ROTA_AGAIN: again,
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

// A browser of somebody's own. Whatever it complains of, or asks of another server, is wrong, unless it is forgiven.
export async function browser({ forgive = () => false } = {}) {
  const context = await running.newContext({ viewport: { width: 1280, height: 900 } });
  const complain = (text) => {
    if (!forgive(text)) wrong.push(text);
  };
  context.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !to.startsWith("data:")) complain(`asked for ${to}`);
  });
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complain(`${message.page()?.url()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complain(`${error.error()}`));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
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
  if (wrong.length) {
    console.error(wrong.map((line) => `WRONG: ${line}`).join("\n"));
    process.exit(1);
  }
}
