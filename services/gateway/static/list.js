// Keys for a list: j and k go from row to row, / to the search field, ? shows them. They can be switched off.

const OFF = "portico.keys.off";
const titles = [...document.querySelectorAll("#list tbody a.title")];
const dialog = document.getElementById("keys");

// Beside its row, not under the bar and the head that stay in sight.
const goTo = (title) => {
  title?.focus({ preventScroll: true });
  title?.closest("tr").scrollIntoView({ block: "nearest" });
};
const step = (by) => {
  const here = titles.indexOf(document.activeElement);
  goTo(titles[here < 0 ? 0 : Math.min(Math.max(here + by, 0), titles.length - 1)]);
};
const keys = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => document.getElementById("search").focus(),
  "?": () => dialog.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
  if (!Object.hasOwn(keys, event.key) || localStorage.getItem(OFF)) return;
  event.preventDefault();
  keys[event.key]();
});

if (dialog) {
  document.querySelector("[data-keys]").hidden = false;
  const box = dialog.querySelector("[data-keys-on]");
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "yes");
  });
}

// The chosen filter is in sight, however narrow the screen is.
for (const row of document.querySelectorAll(".filters.scroll, .tabs")) {
  const chosen = row.querySelector("[aria-current]");
  if (chosen) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
}
