// Pages elsewhere try to act for whoever is signed in here, and to hand them a session of their own: nothing is done.
import { createServer } from "node:http";
import { ada, bob, browser, done, expect, signedIn, url } from "./browser.mjs";

// A page of elsewhere on the same machine: its forms come with the cookie, and count for nothing.
const evil = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end(`<form id=f method=post action="${url}/stop-all"><input name=reason value=pwned><input name=mark value=x></form>
    <form id=g method=post action="${url}/task/1/comment"><input name=text value=csrf-planted></form>
    <iframe src="${url}/settings"></iframe>`);
}).listen(0, "127.0.0.1");
await new Promise((resolve) => evil.once("listening", resolve));
const elsewhere = `http://127.0.0.1:${evil.address().port}/`;
const { context: victims, page: victim } = await signedIn(bob, { forgive: () => true });
const bait = await victims.newPage();
for (const form of ["#f", "#g"]) {
  await bait.goto(elsewhere);
  const [answer] = await Promise.all([bait.waitForNavigation(), bait.locator(form).evaluate((own) => own.submit())]);
  expect(answer.status() === 403, `a form of elsewhere (${form}) is refused`);
}
await bait.goto(elsewhere);
const tried = await bait.evaluate(async (target) => {
  const send = (path, options) => fetch(target + path, { credentials: "include", ...options }).then((answer) => answer.text(), () => "");
  const read = [await send("/settings"), await send("/live"), await send("/api/v1/state")];
  await send("/stop-all", { method: "POST", mode: "no-cors", body: new URLSearchParams({ reason: "pwned" }) });
  await send("/sign-out", { method: "POST", mode: "no-cors" });
  return { read: read.join("").length, frame: document.querySelector("iframe").contentDocument?.body?.textContent ?? "" };
}, url);
expect(tried.read === 0 && tried.frame === "", "nothing is read from elsewhere, in no frame either");
await victim.goto(url);
expect(victim.url() === `${url}/` && !(await victim.textContent("body")).includes("Everything is stopped"), "and nothing was done: still signed in, nothing stopped");
await victim.goto(`${url}/task/1`);
expect(!(await victim.textContent("body")).includes("csrf-planted"), "no comment was planted");
evil.close();

// A session that somebody put into the browser is not the one that begins.
const [fixed] = (await victims.cookies()).filter((own) => own.name.startsWith("rota"));
// No page that is open there looks again meanwhile.
await victim.goto("about:blank");
const { context: fresh, page: prey } = await browser();
await fresh.addCookies([{ name: fixed.name, value: fixed.value, url }]);
await prey.goto(`${url}/sign-in`);
await prey.getByLabel("Personal token").fill(ada);
await Promise.all([prey.waitForURL(`${url}/`), prey.keyboard.press("Enter")]);
const [now] = (await fresh.cookies()).filter((own) => own.name === fixed.name);
expect(now.value !== fixed.value && now.httpOnly && now.sameSite === "Lax", "signing in begins another session than the one that was planted");
await victim.goto(url);
expect(/sign-in/.test(victim.url()), "and what was planted is worth nothing any more");
expect((await prey.evaluate(() => document.cookie)) === "", "no script reads the cookie");
await done();
