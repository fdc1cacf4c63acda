// What saves a reload: without it everything can be read and decided all the same.
"use strict";

// The part of a page that is shown anew when something happens. What somebody types, chose or has opened
// there is left alone until it is done with, and so is whoever looks elsewhere.
const PAUSE_MS = 1000; // at least so long between two looks
const OLD_MS = 60000; // "5 minutes ago" and what is left of a lease grow old by themselves
const SLOW_MS = 10000; // so often while nothing is heard
const WRITTEN_MS = 500; // a run's line is heard before it is written down, by less than this
const AGAIN_MS = 300000; // so often servers are asked whether all is well
const RETRY_MS = 1000; // until the first try to hear again; each later one waits twice as long
const RETRY_MAX_MS = 15000;

const live = () => document.querySelector("[data-live]");

function isChanged(field) {
  if (field.matches("select")) {
    const options = [...field.options];
    const first = options.findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(first, 0);
  }
  return field.matches("[type=checkbox]") ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

function isBusy(part) {
  const at = document.activeElement;
  const types = at && part.contains(at) && at.matches("input, textarea, select");
  const fields = [...part.querySelectorAll("input:not([type=hidden]), textarea, select")];
  return document.hidden || isDragging || types || part.querySelector("details[open]") || fields.some(isChanged);
}

let isDragging = false;
let looked = 0;
let look; // the look that is to come
let isLooking = false;
let isStale = false; // something happened during the look that is under way

// Shows it anew, soon; however often that is asked for.
function lookSoon() {
  if (isLooking) isStale = true;
  else look ??= setTimeout(lookNow, Math.max(0, looked + PAUSE_MS - Date.now()));
}

async function lookNow() {
  const part = live();
  look = undefined;
  if (!part || document.hidden) return;
  looked = Date.now();
  if (isBusy(part)) return lookSoon();
  isLooking = true;
  try {
    await shownAnew(part);
  } catch {
    // Whoever serves is away; the stream says so, too.
  }
  looked = Date.now();
  isLooking = false;
  if (!live()) hearNothing();
  else if (isStale) lookSoon();
  isStale = false;
}

// Says that a page which is open looks again.
const LOOK = { redirect: "manual", headers: { "HX-Request": "true" } };

async function shownAnew(part) {
  const answer = await fetch(location.href, LOOK);
  if (answer.type === "opaqueredirect") return location.reload();
  const text = await answer.text();
  // Somebody may have begun to type meanwhile.
  if (!answer.ok || isBusy(part)) return;
  await htmx.swap({ text, sourceElement: part, target: part, select: "#" + part.id, swap: "outerMorph" });
}

// Where there is no stream, the page looks from time to time, and tries to hear again. A session that is over leads
// to where people sign in.
let stream, slow, retry;
let retries = 0;

function hear() {
  clearTimeout(retry);
  if (stream || document.hidden || !live()) return;
  stream = new EventSource("/live");
  stream.addEventListener("hello", () => {
    clearInterval(slow);
    slow = undefined;
    retries = 0;
    document.documentElement.dataset.hears = "yes";
    // Whatever happened between the page and now.
    setTimeout(lookSoon, WRITTEN_MS);
  });
  const about = live().dataset.live;
  for (const name of ["changed", "acted"]) stream.addEventListener(name, lookSoon);
  stream.addEventListener("progress", (event) => {
    // A page about one run is not shown anew for another's lines.
    if (!about || JSON.parse(event.data).run === about) setTimeout(lookSoon, WRITTEN_MS);
  });
  for (const name of ["missed", "over", "error"]) stream.addEventListener(name, hearLater);
}

function hearNothing() {
  stream?.close();
  stream = undefined;
  document.documentElement.dataset.hears = "no";
}

function hearLater() {
  hearNothing();
  slow ??= setInterval(lookSoon, SLOW_MS);
  clearTimeout(retry);
  retry = setTimeout(hearAgain, Math.min(RETRY_MS * 2 ** retries++, RETRY_MAX_MS));
}

async function hearAgain() {
  if (document.hidden || !live()) return;
  try {
    const answer = await fetch(location.href, { ...LOOK, method: "HEAD" });
    if (answer.type === "opaqueredirect") return location.reload();
    hear();
  } catch {
    hearLater();
  }
}

document.addEventListener("DOMContentLoaded", () => {
  if (!live()) return;
  setInterval(lookSoon, OLD_MS);
  hear();
});
// A browser has few connections to one server: whoever is not looked at holds none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return hearNothing();
  lookSoon();
  hear();
});
window.addEventListener("pagehide", hearNothing);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) hear();
});

// What takes longer than the rest of a page comes after it; some of it again from time to time.
function fetched(part, from) {
  const what = "#" + part.id;
  htmx.ajax("GET", from, { target: what, select: what, swap: "outerMorph" });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("[data-later]")) fetched(part, part.dataset.later);
  setInterval(() => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("[data-again]")) fetched(part, part.dataset.again);
  }, AGAIN_MS);
});

// A card that is dragged onto a column says so with the form that it has for that.
document.addEventListener("dragstart", (event) => {
  const card = event.target.closest("[data-card]");
  if (card) event.dataTransfer.setData("text/plain", card.dataset.card);
  isDragging = Boolean(card);
});
document.addEventListener("dragend", () => {
  isDragging = false;
});
document.addEventListener("dragover", (event) => {
  if (event.target.closest("[data-column]")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const column = event.target.closest("[data-column]");
  if (!column) return;
  event.preventDefault();
  const id = event.dataTransfer.getData("text/plain");
  const card = document.querySelector('[data-card="' + CSS.escape(id) + '"]');
  const form = card && card.querySelector("form[data-move]");
  if (!form || column.contains(card)) return;
  form.elements.status.value = column.dataset.column;
  form.requestSubmit();
});

// A second click on the way is no second decision.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
