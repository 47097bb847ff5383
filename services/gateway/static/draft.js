// What was typed into a form stays in this browser until it has arrived: over a reload, a crash, and a session that
// ended. Kept per user (of one company) and per form: a case by its start, what is done with a case by number and action.
// Never passwords, and nothing that belongs to a session or to the state of the case.

const PREFIX = "portico.draft.";
const SENT = "portico.sent"; // the draft that this tab sent last
const KEPT_MS = 30 * 24 * 3600 * 1000;
const FILES_KEPT_MS = 23 * 3600 * 1000; // files that no case cites go after a day
const PAUSE_MS = 250;
const LEFT_OUT = new Set([
  "csrf_token", "upload_key", "attachment_ids", "serial", "said", "product_number", "action", "version", "filled_in_by",
  "company_id", "submitter_id", "submitter_name",
]);

const user = document.body.dataset.user;

forgetOld();
if (document.querySelector("[data-arrived]")) forgetSent();
document.querySelector("[data-discards]")?.addEventListener("click", forgetSent);
keepIn(document);
document.addEventListener("came", (event) => keepIn(event.target)); // a form that was asked for (act.js)

function keepIn(part) {
  for (const form of user ? part.querySelectorAll("form[data-draft]") : []) keep(form, `${PREFIX}${user}.${form.dataset.draft}`);
}

function keep(form, key) {
  const notice = form.querySelector("[data-draft-notice]") ?? document.querySelector("main > [data-draft-notice]");
  const state = form.querySelector("[data-draft-state]");
  const atFirst = read(form);
  const person = form.elements.submitter_id?.value ?? ""; // for whom, unless for the user
  let timer = 0;

  sessionStorage.removeItem(SENT);
  restore();

  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, () => {
      clearTimeout(timer);
      timer = setTimeout(save, PAUSE_MS);
    });
  }
  // The last moment in which a page is sure to run.
  document.addEventListener("visibilitychange", flush);
  window.addEventListener("pagehide", flush);
  form.addEventListener("leave", flush); // another one takes its place (queue.js)
  // Whoever signs out leaves nothing behind (shell.js), not even what was typed a moment ago.
  document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => {
    clearTimeout(timer);
    timer = 0;
  });
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    clearTimeout(timer);
    timer = 0;
    store({ sent: true });
    sessionStorage.setItem(SENT, key);
  });
  notice?.querySelector("button").addEventListener("click", () => {
    clearTimeout(timer);
    timer = 0;
    localStorage.removeItem(key);
    write(form, { ...atFirst, files: [] }, atFirst);
    notice.hidden = true;
    if (state) state.hidden = true;
    form.querySelector("input:not([type=hidden]), select, textarea").focus();
  });

  function flush() {
    if (!timer) return;
    clearTimeout(timer);
    save();
  }

  function save() {
    timer = 0;
    store({});
  }

  // `sent` says that nothing was typed since it was sent.
  function store(how) {
    const now = read(form);
    try {
      if (sameText(now, atFirst) && !localStorage.getItem(key) && !form.hasAttribute("data-refused")) return;
      localStorage.setItem(key, JSON.stringify({ at: Date.now(), person, ...how, ...now }));
      if (state) state.hidden = false;
    } catch { /* a full or forbidden store keeps nothing; the form works all the same */ }
  }

  // What was typed last counts. A form that came back with errors is what was sent; but a reload sends it once more, and
  // shows it as it was, whatever was typed into it since.
  function restore() {
    const draft = load(key);
    const isCut = form.hasAttribute("data-cut");
    if (form.hasAttribute("data-refused") && (!draft || (draft.sent && !isCut))) {
      store({ sent: true });
      return;
    }
    if (!draft) return;
    if (Date.now() - draft.at > FILES_KEPT_MS) draft.files = [];
    if (isCut) bringBackWhole(draft);
    if ((draft.person ?? "") !== person) leaveOutPerson(draft);
    write(form, draft, atFirst);
    if (sameText(draft, atFirst)) return;
    if (notice) {
      notice.hidden = false;
      notice.querySelector("[role=status]").textContent = notice.dataset.text;
    }
    if (state) state.hidden = false;
  }

  // What was typed for another person of the company is of use for this one, too; whom to call is not.
  function leaveOutPerson(draft) {
    for (const name of Object.keys(draft.values)) {
      if (name.startsWith("contact.") || name === "idempotency_key") draft.values[name] = atFirst.values[name];
    }
  }

  // The draft has what the page has not; the rest is as it came back.
  function bringBackWhole(draft) {
    draft.files = atFirst.files;
    draft.values.idempotency_key = atFirst.values.idempotency_key;
    document.querySelector("[data-cut-note]")?.remove();
  }
}

function fields(form) {
  return [...form.elements].filter(
    ({ name, type }) => name && !LEFT_OUT.has(name) && !name.startsWith("attachment_name.")
      && !["password", "file", "submit", "button"].includes(type),
  );
}

function read(form) {
  const values = {};
  for (const field of fields(form)) {
    const chosen = ["radio", "checkbox"].includes(field.type) ? field.checked : true;
    values[field.name] ??= [];
    if (chosen) values[field.name].push(field.value);
  }
  const files = [...form.querySelectorAll("[data-files] li[data-id]")];
  return { values, files: files.map(({ dataset }) => ({ id: dataset.id, name: dataset.name })) };
}

// What differs from the page as it came is not left folded away.
function write(form, { values, files }, atFirst) {
  for (const field of fields(form)) {
    const kept = values[field.name];
    if (!kept) continue;
    if (["radio", "checkbox"].includes(field.type)) field.checked = kept.includes(field.value);
    else if (field.tagName !== "SELECT" || [...field.options].some(({ value }) => value === kept[0])) {
      field.value = kept[0] ?? "";
    } else if (field.dataset.list) {
      field.append(new Option(kept[0], kept[0], false, true)); // the rest of the list comes yet (form.js)
    }
  }
  const now = read(form).values;
  for (const field of fields(form)) {
    if (String(now[field.name]) === String(atFirst.values[field.name])) continue;
    for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  }
  form.dispatchEvent(new Event("restored"));
  form.querySelector("[data-files]")?.dispatchEvent(new CustomEvent("restore-files", { detail: files ?? [] }));
}

// The key alone makes no draft: every showing of the form has another one.
function sameText(one, other) {
  const text = ({ values, files }) => JSON.stringify([{ ...values, idempotency_key: [] }, files ?? []]);
  return text(one) === text(other);
}

function load(key) {
  try {
    const draft = JSON.parse(localStorage.getItem(key));
    return draft && typeof draft.values === "object" ? draft : null;
  } catch {
    return null;
  }
}

// It has arrived, or is not wanted any more. What was typed after it was sent is not part of that.
function forgetSent() {
  const key = sessionStorage.getItem(SENT);
  if (key && load(key)?.sent) localStorage.removeItem(key);
  sessionStorage.removeItem(SENT);
}

function forgetOld() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && !(Date.now() - load(key)?.at < KEPT_MS)) localStorage.removeItem(key);
    }
  } catch { /* no store, nothing to forget */ }
}
