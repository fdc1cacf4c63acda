// What saves a reload: without it everything can be read and decided all the same.
"use strict";

// Parts of a page that are shown anew while it is looked at. What somebody types or has opened there is
// left alone, and so is whoever looks elsewhere.
const LIVE_MS = 10000;

function isBusy(part) {
  const at = document.activeElement;
  const types = at && part.contains(at) && at.matches("input, textarea, select");
  return document.hidden || types || part.querySelector("details[open], [aria-grabbed=true]");
}

function refresh() {
  const part = document.querySelector("[data-live]");
  if (!part || !part.id || isBusy(part)) return;
  const what = "#" + part.id;
  htmx.ajax("GET", location.href, { target: what, select: what, swap: "outerMorph" });
}

document.addEventListener("DOMContentLoaded", () => {
  if (document.querySelector("[data-live]")) setInterval(refresh, LIVE_MS);
});
document.addEventListener("visibilitychange", refresh);

// A choice that is a question to the page asks it at once.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-ask]");
  if (form) form.requestSubmit();
});

// A card that is dragged onto a column says so with the form that it has for that.
document.addEventListener("dragstart", (event) => {
  const card = event.target.closest("[data-card]");
  if (card) event.dataTransfer.setData("text/plain", card.dataset.card);
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
