// Checks a form while somebody fills it in: what its button "Check first" does, by itself, for the part that was changed.
// Nothing is saved. What came of it replaces the elements that carry `data-verdict`.

const AFTER_MS = 700;
// Judging millions of photos by other patterns takes the sidecar a while: then it is done when it is asked for, and not for
// every letter.
const SLOW_MS = 3000;
const slow = new Set();
const form = document.querySelector("form:has([data-check])");
const waiting = new Map();
let asked = null;

async function check(part) {
  asked?.abort();
  asked = new AbortController();
  const filled = new FormData(form);
  filled.set("do", part);
  const began = performance.now();
  const places = [...document.querySelectorAll(`[data-check="${part}"] [data-verdict]`)];
  for (const one of places) one.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(filled),
      headers: { "X-Holdfast-Look": "1" },
      credentials: "same-origin",
      signal: asked.signal,
    });
    if (answer.status !== 200 && answer.status !== 422) return;
    if (part === "patterns" && performance.now() - began > SLOW_MS) slow.add(part);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of places) {
      const fresh = page.getElementById(old.id);
      if (!fresh) continue;
      old.replaceChildren(...fresh.childNodes);
      tellErrors(old, page);
    }
  } catch (error) {
    if (error.name !== "AbortError") for (const one of places) one.replaceChildren();
  } finally {
    for (const one of places) one.removeAttribute("aria-busy");
  }
}

// Errors that the page would show at the fields are told where the verdict is: the fields are being typed in.
function tellErrors(place, page) {
  const row = place.closest(".row") ?? place.closest("[data-check]");
  for (const field of row.querySelectorAll("input[id], textarea[id], select[id]")) {
    const error = page.getElementById(`${field.id}-error`);
    const described = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id.endsWith("-hint"));
    field.removeAttribute("aria-invalid");
    document.getElementById(`${field.id}-error`)?.remove();
    if (error) {
      described.push(place.id);
      field.setAttribute("aria-invalid", "true");
    }
    if (described.length) field.setAttribute("aria-describedby", described.join(" "));
    else field.removeAttribute("aria-describedby");
    if (!error) continue;
    error.removeAttribute("id");
    place.append(error);
  }
}

function isWorthIt(part) {
  return part === "patterns" || [...form.querySelectorAll('[name$="-path"]')].some((one) => one.value.trim() !== "");
}

function tellSlow() {
  const said = document.createElement("p");
  said.className = "hint";
  said.textContent = "This library is large. Press “Check first” to see what would change.";
  document.getElementById("preview").replaceChildren(said);
}

form?.addEventListener("input", (event) => {
  const part = event.target.closest("[data-check]")?.dataset.check;
  if (!part) return;
  clearTimeout(waiting.get(part));
  if (slow.has(part)) tellSlow();
  else waiting.set(part, setTimeout(() => isWorthIt(part) && check(part), AFTER_MS));
});
