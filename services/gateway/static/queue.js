// The agents' keys, and a queue whose cases open beside it without leaving the page. Everything works without it: what
// is pressed are links, and what it fetches are the same pages.

const OFF = "portico.keys.off";
const main = document.querySelector("main.panes");
const links = () => [...document.querySelectorAll(".queue > li > a")];

// A case beside its queue

let asked = 0; // of several that were chosen in a row, the last counts
let coming = ""; // its address
let shown = location.search;

async function open(address, { asNew = true } = {}) {
  const own = ++asked;
  coming = address;
  const page = await pageAt(address);
  if (own !== asked) return;
  coming = "";
  if (!page) {
    location.assign(address); // which says why
    return;
  }
  const there = page.querySelector("main.panes");
  const left = main.querySelector(".queue > .chosen")?.dataset.number;
  document.title = page.title;
  if (asNew) history.pushState({}, "", address);
  shown = location.search;
  main.className = there.className;
  for (const form of main.querySelectorAll("form[data-draft]")) form.dispatchEvent(new Event("leave"));
  for (const part of [".pane.list", "#case"]) {
    const old = main.querySelector(part);
    const scrolled = old.scrollTop;
    const fresh = there.querySelector(part);
    old.replaceWith(fresh);
    if (part === ".pane.list") fresh.scrollTop = scrolled;
  }
  bringIcons(page);
  document.getElementById("navigation").replaceChildren(...page.getElementById("navigation").childNodes);
  showKeys();
  document.getElementById("case").dispatchEvent(new Event("came", { bubbles: true }));
  const title = document.getElementById("title");
  const beside = title ?? main.querySelector(`.queue > [data-number="${left}"] > a`) ?? links()[0] ?? main;
  beside.focus({ preventScroll: true });
  if (title) scrollTo(0, 0);
  else beside.scrollIntoView({ block: "nearest" });
  toNewest();
  keepInSight();
}

async function pageAt(address) {
  try {
    const answer = await fetch(address);
    const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    return page && page.querySelector("main.panes") ? page : null;
  } catch {
    return null;
  }
}

// A page carries the icons that it names, and no others.
function bringIcons(page) {
  const drawn = document.querySelector("svg[hidden]");
  for (const symbol of page.querySelectorAll("svg[hidden] > symbol")) {
    if (!document.getElementById(symbol.id)) drawn.append(document.adoptNode(symbol));
  }
}

const keepInSight = () => document.querySelector(".queue > .chosen")?.scrollIntoView({ block: "nearest" });

// The pane that scrolls shows the end of the conversation first: that is where the work goes on.
function toNewest() {
  const pane = document.getElementById("case");
  const newest = document.getElementById("newest");
  if (pane && newest && getComputedStyle(pane).overflowY === "auto") newest.scrollIntoView({ block: "end" });
}

// What is done in a dialog (act.js) comes when it is asked for.
let acting;
async function act(event) {
  const link = event.target.closest?.("a[data-act]");
  if (!link || acting || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  acting = import(main.dataset.acting);
  acting.then(() => link.click(), () => location.assign(link.href));
}

if (main) {
  document.addEventListener("click", act);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".queue > li > a, .pane .back");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.href);
  });
  // A way to another part of the same page is none to another case.
  addEventListener("popstate", () => { if (location.search !== shown) open(location.href, { asNew: false }); });
  toNewest();
  keepInSight();
}

// Keys

// From the case that is on its way, has the focus, or is open.
function step(by) {
  const all = links();
  if (!all.length) return;
  const focused = coming ? all.findIndex((link) => link.href === coming) : all.indexOf(document.activeElement);
  const here = focused < 0 ? all.findIndex((link) => link.getAttribute("aria-current")) : focused;
  const next = all[here < 0 ? 0 : Math.min(Math.max(here + by, 0), all.length - 1)];
  if (next !== all[here]) open(next.href);
}

function write(kind) {
  const form = document.querySelector(".answer form");
  const choice = form?.querySelector(`[name=kind][value=${kind}]`);
  if (!choice) return;
  choice.checked = true;
  choice.dispatchEvent(new Event("change", { bubbles: true }));
  form.elements.text.focus({ preventScroll: true }); // it stays in sight, and what is read stays where it is
  if (form.getBoundingClientRect().bottom < 0) form.scrollIntoView({ block: "center" });
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  r: () => write("reply"),
  n: () => write("note"),
  a: () => document.querySelector("a[data-act][href*='/do/assign']")?.click(),
  t: () => document.querySelector("[data-take], a[data-act][href*='/do/take']")?.click(),
  "/": () => document.getElementById("search").focus(),
  "?": () => document.getElementById("keys").showModal(),
};

// Whoever has written goes on by keys: what is typed stays there.
function leave(event) {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented || !event.target.matches(".answer textarea")) return;
  event.target.blur();
  document.getElementById("title")?.focus({ preventScroll: true });
}

document.addEventListener("keydown", leave);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea, dialog, [contenteditable]")) return;
  if (!Object.hasOwn(keys, event.key) || localStorage.getItem(OFF)) return;
  event.preventDefault();
  keys[event.key]();
});

function showKeys() {
  const shown = document.getElementById("keys");
  if (!shown) return;
  document.querySelector("[data-keys]").hidden = false;
  const box = shown.querySelector("[data-keys-on]");
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "yes");
  });
}
showKeys();
