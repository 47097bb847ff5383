// Modules that come when they are needed: upload.js with the first file, form.js when a part of the form is opened.

// A part of the page may come later (queue.js, act.js).
document.addEventListener("came", (event) => {
  for (const field of event.target.querySelectorAll("[data-files]")) wait(field);
});
for (const form of document.querySelectorAll("form[data-parts]")) {
  // However often it is opened, the module comes once; what has not come is asked for again.
  const come = () => import(form.dataset.parts).catch(() => {});
  if (form.querySelector(".known > details[open]")) come();
  form.addEventListener("toggle", come, true);
}
for (const field of document.querySelectorAll("[data-files]")) wait(field);

// Until it comes the input holds what was chosen, and would send it with the form. So it does where nothing comes.
function wait(field) {
  const input = field.querySelector("input[type=file]");
  const list = field.querySelector(".file-list");
  const until = new AbortController();
  const { signal } = until;
  const heldRows = () => list.querySelectorAll("[data-held]");
  const listen = (target, kind, act) => target.addEventListener(kind, act, { signal });
  let coming;
  // Whether it has come; if not, it is asked for once more at the next occasion.
  const come = () => (coming ??= import(field.dataset.files).then(({ enhance }) => {
    until.abort();
    for (const row of heldRows()) row.remove();
    enhance(field);
    if (input?.files.length) input.dispatchEvent(new Event("change"));
    return true;
  }, () => {
    coming = undefined;
    return false;
  }));

  // A draft brings its files back; they stand in the form before the module does.
  listen(field, "restore-files", ({ detail }) => {
    list.replaceChildren(...detail.map(cited));
    list.hidden = detail.length === 0;
    if (detail.length) come();
  });
  if (list.children.length) come();
  if (!input) return;

  const held = new DataTransfer();
  const hold = (files) => {
    for (const file of files) held.items.add(file);
    input.files = held.files;
  };
  const showHeld = () => {
    for (const row of heldRows()) row.remove();
    list.append(...[...held.files].map(named));
    list.hidden = false;
  };
  const take = async (files) => {
    hold(files);
    if (!await come()) showHeld();
  };
  listen(field, "focusin", come);
  listen(field, "pointerenter", come);
  listen(input, "change", () => take(input.files));
  const zone = field.closest("[data-drop]") ?? field;
  listen(zone, "dragover", (event) => {
    come();
    if ([...event.dataTransfer.types].includes("Files")) event.preventDefault();
  });
  listen(zone, "drop", (event) => {
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  listen(field.closest("form"), "paste", (event) => {
    const { files, types } = event.clipboardData;
    if (files.length === 0 || types.includes("text/plain")) return;
    event.preventDefault();
    const again = new DataTransfer(); // what is on the clipboard is only told while it is pasted
    for (const file of files) again.items.add(file);
    come().then((hasCome) => {
      if (hasCome) {
        field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: again, bubbles: true }));
        return;
      }
      hold(again.files);
      showHeld();
    });
  });
}

function named({ name }) {
  const row = document.createElement("li");
  row.dataset.held = "";
  row.textContent = name;
  return row;
}

function cited({ id, name }) {
  const row = document.createElement("li");
  Object.assign(row.dataset, { id, name });
  const values = { attachment_ids: id, [`attachment_name.${id}`]: name };
  row.append(name, ...Object.entries(values).map(([key, value]) => {
    return Object.assign(document.createElement("input"), { type: "hidden", name: key, value });
  }));
  return row;
}
