// The lines of what is known already say what stands in their fields, and lists that a page did not bring come when
// somebody looks at them.

const brought = {}; // lists by their address, however many fields have them

for (const form of document.querySelectorAll("form:has(.known)")) {
  const open = () => [...form.querySelectorAll(".known > details[open]")];
  // What is folded has not been changed, and which of its fields count cannot be seen.
  const tell = () => {
    for (const place of open().flatMap((part) => [...part.querySelectorAll("[data-shows]")])) {
      place.textContent = place.dataset.shows.split(" ").map((name) => shown(form.elements[name])).join(" ").trim();
    }
  };
  const bring = () => {
    for (const list of open().flatMap((part) => [...part.querySelectorAll("select[data-list]")])) complete(list);
  };
  for (const kind of ["input", "change", "restored"]) form.addEventListener(kind, tell);
  form.addEventListener("toggle", bring, true); // it does not bubble
  tell();
  bring();
}

// As people read it; empty for a field that does not count at the moment.
function shown(field) {
  if (field instanceof RadioNodeList) return shown([...field].find(({ checked }) => checked));
  if (!field?.offsetParent) return "";
  if (field.type === "radio") return field.labels[0].textContent.trim();
  if (field.type === "checkbox") return field.checked ? field.labels[0].textContent.trim() : "";
  if (field.tagName === "SELECT") return field.value ? field.selectedOptions[0].textContent : "";
  return field.value.trim();
}

async function complete(list) {
  const address = list.dataset.list;
  delete list.dataset.list;
  try {
    brought[address] ??= fetch(address).then((answer) => answer.json());
    const all = await brought[address];
    const chosen = list.value;
    list.length = 1;
    list.append(...all.map(([value, name]) => new Option(name, value, false, value === chosen)));
  } catch {
    delete brought[address];
    list.dataset.list = address; // it is tried again when the part is opened again
  }
}
