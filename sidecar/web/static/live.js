// Keeps an open page true. Every few seconds, while somebody can see it, it asks whether anything has changed; only then
// is the page fetched, and what carries `data-live` replaced where it differs. Without this script, a reload does that.

const LOOK_EVERY_MS = 2000;
// A catalog of millions may take long over its figures: so many times as long as that is waited until the next look.
const PATIENCE = 6;

const looking = { "X-Holdfast-Look": "1" };
// As the page was made: what changes before the first look is seen by it.
let tag = document.body.dataset.known ? `"${document.body.dataset.known}"` : null;
let timer = null;
let pause = LOOK_EVERY_MS;

function agoOf(then, now) {
  const seconds = (now - then) / 1000;
  if (seconds < 0 || seconds >= 30 * 86400) return null;
  if (seconds < 10) return "just now";
  for (const [below, noun, unit] of [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]]) {
    if (seconds < below) {
      const count = Math.floor(seconds / unit);
      return `${count} ${noun}${count === 1 ? "" : "s"} ago`;
    }
  }
}

// Times are the visitor's own from here on.
function tellTimes() {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[data-ago], time[data-clock]")) {
    const then = new Date(element.dateTime);
    const ago = element.hasAttribute("data-ago") ? agoOf(then, now) : then.toLocaleTimeString();
    if (ago && element.textContent !== ago) element.textContent = ago;
    const title = then.toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" });
    if (element.title !== title) element.title = title;
  }
}

// What changed, in words, for whoever cannot see it change.
function announced() {
  return new Map([...document.querySelectorAll("[data-announce]")].map((one) => [one.id, one.dataset.announce]));
}

function replace(old, fresh) {
  const open = [...old.querySelectorAll("details[open][id]")].map((one) => one.id);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const at = focused && [...old.querySelectorAll("a, button, summary, input, select, textarea")].indexOf(focused);
  old.replaceChildren(...fresh.childNodes);
  for (const id of open) old.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (focused) old.querySelectorAll("a, button, summary, input, select, textarea")[at]?.focus();
}

// Where somebody is typing, or has a menu open, nothing is taken from under their hands.
function isInUse(element) {
  return element.querySelector("details.menu[open]") || element.contains(document.activeElement?.closest("form input:not([type=hidden]), select, textarea"));
}

function takeOver(page) {
  const before = announced();
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(old.id);
    if (fresh && !isInUse(old) && plain(old) !== plain(fresh)) replace(old, fresh);
  }
  tellTimes();
  const news = [...announced()].filter(([id, text]) => before.get(id) !== text).map(([, text]) => text);
  if (news.length) document.getElementById("said").textContent = news.slice(0, 3).join(" ");
  document.dispatchEvent(new CustomEvent("holdfast:fresh"));
}

// Times and tokens of forms differ each time, and are no news.
function plain(element) {
  const copy = element.cloneNode(true);
  for (const one of copy.querySelectorAll("time")) { one.textContent = ""; one.removeAttribute("title"); }
  return copy.innerHTML;
}

async function fetchPage() {
  const answer = await fetch(location.href, { headers: looking, credentials: "same-origin", cache: "no-store" });
  if (answer.status === 401) return location.reload();
  if (answer.status >= 500) throw new Error(String(answer.status));
  if (!answer.ok) return;
  takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

async function look() {
  const began = performance.now();
  try {
    const headers = tag ? { ...looking, "If-None-Match": tag } : looking;
    const answer = await fetch("/live", { headers, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) return location.reload();
    if (answer.status >= 500) throw new Error(String(answer.status));
    const fresh = answer.headers.get("ETag");
    const moved = answer.status === 200 && tag !== null && fresh !== tag;
    if (moved || wasLost() || document.querySelector('[data-live="always"]')) await fetchPage();
    tag = fresh ?? tag;
    lost(false);
  } catch {
    lost(true);
  }
  pause = Math.max(LOOK_EVERY_MS, PATIENCE * (performance.now() - began));
  tellTimes();
}

function wasLost() {
  return !document.getElementById("lost").hidden;
}

function lost(is) {
  document.getElementById("lost").hidden = !is;
}

async function goOn() {
  clearTimeout(timer);
  if (document.visibilityState !== "visible") return;
  await look();
  clearTimeout(timer);
  timer = setTimeout(goOn, pause);
}

// The sentence about what was just done is not said again after a reload.
const here = new URL(location.href);
if (here.searchParams.has("notice")) {
  here.searchParams.delete("notice");
  history.replaceState(null, "", here);
}

tellTimes();
if (document.querySelector("[data-live]")) {
  document.addEventListener("visibilitychange", goOn);
  goOn();
}
