// The shell's comforts. Every page works without them; each only adds to native elements.

// Ctrl K (or ⌘ K) goes to the search field.
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "k") return;
  const field = document.getElementById("search");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// Menus close when something is chosen or something else is pressed, and by Escape.
const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target) || event.target.closest(".panel a")) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A link to a dialog opens it; the link at its end closes it and gives the focus back.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (link) {
    event.preventDefault();
    const menu = link.closest("details.menu");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    const dialog = document.getElementById(link.hash.slice(1));
    // Shown in place after a refusal, or by its address: it becomes modal now.
    if (dialog.open) dialog.close();
    dialog.showModal();
  }
  const dismissed = event.target.closest?.("[data-dismiss]")?.closest("dialog:modal");
  if (dismissed) {
    event.preventDefault();
    dismissed.close();
  }
});

// A dialog that came back with errors is one again; until then it stands where it will be (portico.css).
const refused = document.querySelector("dialog[open]");
if (refused) {
  refused.close();
  refused.showModal();
}

// Copies a number, and says so for a moment.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button || button.dataset.isSaid || !navigator.clipboard) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const [words, picture] = [button.querySelector("span"), button.querySelector("use")];
  const [copy, icon] = [words.textContent, picture.getAttribute("href")];
  button.dataset.isSaid = "yes";
  words.textContent = button.dataset.copied;
  picture.setAttribute("href", button.dataset.done);
  setTimeout(() => {
    delete button.dataset.isSaid;
    words.textContent = copy;
    picture.setAttribute("href", icon);
  }, 2000);
});
// Only a page that came by TLS may.
if (!navigator.clipboard) for (const button of document.querySelectorAll("[data-copy]")) button.style.visibility = "hidden";

// Shows a password while it is typed, and hides it again.
for (const button of document.querySelectorAll("button[data-reveals]")) {
  const field = document.getElementById(button.dataset.reveals);
  const show = button.textContent;
  button.hidden = false;
  button.addEventListener("click", () => {
    const isHidden = field.type === "password";
    field.type = isHidden ? "text" : "password";
    button.textContent = isHidden ? button.dataset.hide : show;
  });
  // Browsers keep what was typed into a text for the next time.
  field.form.addEventListener("submit", () => { field.type = "password"; });
}

// Expand all and collapse all sections.
for (const button of document.querySelectorAll("button[data-sections]")) {
  const sections = () => [...document.querySelectorAll("details.section")];
  const allOpen = () => sections().every((section) => section.open);
  const show = () => { button.textContent = allOpen() ? button.dataset.collapse : button.dataset.expand; };
  button.addEventListener("click", () => {
    const open = !allOpen();
    for (const section of sections()) section.open = open;
  });
  for (const section of sections()) section.addEventListener("toggle", show);
  show();
}

// What is folded is printed too; afterwards it stands as before.
let closedBeforePrint = [];
window.addEventListener("beforeprint", () => {
  closedBeforePrint = [...document.querySelectorAll(":is(details.section, .told, .fold > details):not([open])")];
  for (const section of closedBeforePrint) section.open = true;
});
window.addEventListener("afterprint", () => {
  for (const section of closedBeforePrint) section.open = false;
});

// The portal answers sooner, or not at all.
const ANSWERED_WITHIN_MS = 20_000;

// While a form is on its way its button says so, and a second press sends nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(releaseForms, ANSWERED_WITHIN_MS);
  event.submitter?.setAttribute("aria-busy", "true");
});
const releaseForms = () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
};
// A page that comes back from the browser's memory has not been sent.
window.addEventListener("pageshow", (event) => { if (event.persisted) releaseForms(); });
// Neither has one whose sending was stopped. Escape does that; of a browser's own button no page hears.
document.addEventListener("keydown", (event) => { if (event.key === "Escape") releaseForms(); });

// Whoever made a mistake reads the summary first.
document.getElementById("errors")?.focus();

// Whoever signs out leaves no draft (draft.js) behind for the next person at this computer, of no company.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.getAttribute("action") !== "/sign-out") return;
  const { user, users = user } = document.body.dataset;
  const own = users.split(" ").map((id) => `portico.draft.${id}.`);
  for (const key of Object.keys(localStorage)) {
    if (own.some((start) => key.startsWith(start))) localStorage.removeItem(key);
  }
});

// A time lies above its row's link, so that a pointer that rests on it is told the exact one. A press goes to the link.
for (const time of document.querySelectorAll(":is(tr, .items > li) time")) {
  const title = time.closest("tr, li").querySelector("a.title");
  if (title) time.addEventListener("click", () => title.click());
}
