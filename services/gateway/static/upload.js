// Files go out while the form is still being written: each by itself, with its progress, and a reason if it is refused.
// Without this module the same input sends the files with the form.

const ENDPOINT = "/api/v1/attachments";
const LONGEST_WAIT_S = 60; // that somebody before a form may be left with

export function enhance(field) {
  const limits = JSON.parse(field.dataset.limits ?? "null");
  const reasons = JSON.parse(field.dataset.reasons ?? "null");
  const words = JSON.parse(field.dataset.words);
  const patterns = JSON.parse(field.dataset.patterns);
  const input = field.querySelector("input[type=file]");
  const list = field.querySelector(".file-list");
  const errors = field.querySelector(".file-errors");
  const status = field.querySelector("[data-status]");
  const form = field.closest("form");
  const sending = new Map(); // row of the list → its request
  let sendsWhenDone = false;

  const changed = () => {
    list.hidden = list.children.length === 0;
    form.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const about = (name, reason) => fill(patterns.about, { file: name, reason });
  const say = (name, what) => { status.textContent = about(name, what); };

  // What was accepted before stands there as ticked boxes, for browsers without this module.
  for (const row of [...list.children]) row.replaceWith(attached(row.dataset.id, row.dataset.name));
  // The draft brings files back by this.
  field.addEventListener("restore-files", (event) => {
    for (const request of sending.values()) request.abort();
    sending.clear();
    list.replaceChildren(...event.detail.map(({ id, name }) => attached(id, name)));
    list.hidden = list.children.length === 0;
  });

  // While nothing can be added, what is attached can still be removed.
  if (!input) return;

  input.addEventListener("change", () => {
    const chosen = [...input.files];
    // Else the form would send them once more.
    input.value = "";
    take(chosen);
  });
  const zone = field.closest("[data-drop]") ?? field;
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      field.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) field.classList.remove("over");
  });
  zone.addEventListener("drop", (event) => {
    field.classList.remove("over");
    if (event.dataTransfer.files.length === 0) return; // a text, for the field that it was dropped on
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  form.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    // What comes as a text as well, such as cells of a sheet, is meant as that.
    if (files.length === 0 || types.includes("text/plain")) return;
    event.preventDefault();
    take([...files].map(named));
  });

  form.addEventListener("submit", (event) => {
    const unsent = list.querySelector("[data-unsent]");
    if (sending.size === 0 && !unsent) return;
    event.preventDefault();
    sendsWhenDone = sending.size > 0;
    if (sendsWhenDone) status.textContent = words.waiting;
    else askAbout(unsent);
  });

  function take(files) {
    errors.replaceChildren();
    markWrong();
    for (const file of files) {
      const reason = refusedAtOnce(file);
      if (reason) refuse(file.name, reason);
      else send(file);
    }
  }

  // Every browser calls a screenshot the same; when it was pasted, by the clock of the reader, tells them apart.
  function named(file) {
    if (!/^image\.\w+$/.test(file.name)) return file;
    const now = new Date();
    const digits = (number) => String(number).padStart(2, "0");
    const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map(digits).join("-");
    const stem = `${words.screenshot}-${day}-${digits(now.getHours())}${digits(now.getMinutes())}`;
    const others = [...list.children].filter(({ dataset }) => dataset.name.startsWith(stem)).length;
    return new File([file], `${stem}${others ? `-${others + 1}` : ""}${file.name.slice("image".length)}`, { type: file.type });
  }

  // What cannot be accepted need not travel; the service judges all the same.
  function refusedAtOnce(file) {
    if (list.children.length >= limits.files) return reasons.too_many;
    const name = file.name.replace(/[.\s\u200b-\u200f\u202a-\u202e\u2060-\u2069]+$/, ""); // as the service reads it
    const dot = name.lastIndexOf(".");
    if (dot < 0 || !limits.kinds.includes(name.slice(dot + 1).toLowerCase())) return reasons.file_type;
    if (file.size > limits.fileBytes) return reasons.too_large;
    if (file.size === 0) return reasons.empty;
    const together = [...list.children].reduce((sum, row) => sum + Number(row.dataset.size || 0), file.size);
    return together > limits.totalBytes ? reasons.too_large_together : "";
  }

  function refuse(name, reason) {
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = about(name, reason);
    errors.append(line);
    say(name, reason);
    markWrong();
    sendsWhenDone = false;
  }

  function markWrong() {
    const wrong = errors.children.length > 0;
    field.classList.toggle("bad", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    input.setAttribute("aria-describedby", wrong ? `${input.id}-hint ${errors.id}` : `${input.id}-hint`);
  }

  // A form that went out now would leave this file behind.
  function askAbout(row) {
    row.querySelector(".error").textContent = words.unsent;
    say(row.dataset.name, words.unsent);
    row.querySelector("[data-again]").focus();
  }

  function send(file) {
    const row = listed(file.name, file.size);
    list.append(row);
    list.hidden = false;
    upload({ row, file, key: newKey(), retries: 1 });
  }

  function upload(one) {
    const { row, file, key } = one;
    const progress = document.createElement("progress");
    progress.max = file.size;
    progress.value = 0;
    progress.setAttribute("aria-label", about(file.name, words.sending));
    row.querySelector("span").after(progress);
    say(file.name, words.sending);

    const body = new FormData();
    body.append("file", file, file.name);
    const request = new XMLHttpRequest(); // `fetch` tells nothing of the way out
    request.upload.addEventListener("progress", (event) => { progress.value = event.loaded; });
    request.addEventListener("load", () => done(request, one));
    request.addEventListener("error", () => postpone(one, reasons.unreachable));
    request.addEventListener("timeout", () => postpone(one, reasons.unreachable));
    request.open("POST", ENDPOINT);
    request.timeout = 130_000; // longer than the gateway's own deadlines, whose refusal says more
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
    request.setRequestHeader("Idempotency-Key", key);
    sending.set(row, request);
    request.send(body);
  }

  function done(request, one) {
    const { row, file } = one;
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* no JSON: the status says enough */ }
    const [item] = answer.items ?? [];
    if (passes(request.status, answer)) {
      postpone(one, reasons.later, Number(request.getResponseHeader("Retry-After")));
      return;
    }
    if (request.status !== 201 || !item) {
      failed(row, file.name, why(request.status, answer));
      return;
    }
    sending.delete(row);
    row.replaceWith(attached(item.id, item.name, item.size));
    say(item.name, words.sent);
    settled();
  }

  // Nothing is wrong with the file: the same may be accepted in a moment.
  function passes(code, answer) {
    return [408, 502, 503, 504].includes(code) || answer.code === "too_many_requests";
  }

  // The row stays with its file. Where the answer says when, it goes once more by itself; after that, when asked.
  function postpone(one, reason, waitS = 0) {
    const { row, file } = one;
    row.querySelector("progress").remove();
    const error = document.createElement("small");
    error.className = "error";
    error.textContent = reason;
    const retry = () => {
      clearTimeout(timer);
      error.remove();
      again.remove();
      delete row.dataset.unsent;
      upload(one);
    };
    const again = button(words.again, file.name, () => { retry(); input.focus(); });
    again.dataset.again = "";
    row.querySelector("span").after(error, again);
    say(file.name, reason);
    const goesByItself = waitS > 0 && waitS <= LONGEST_WAIT_S && one.retries > 0;
    const timer = goesByItself ? setTimeout(retry, waitS * 1000) : 0;
    one.retries -= 1;
    if (goesByItself) {
      sending.set(row, { abort: () => clearTimeout(timer) });
      return;
    }
    row.dataset.unsent = "";
    sending.delete(row);
    settled();
  }

  function why(code, answer) {
    const [wrong] = answer.refused?.length ? answer.refused : answer.errors ?? [];
    if (wrong) {
      const reason = reasons[`${wrong.code}.${wrong.params?.reason}`] ?? reasons[wrong.code] ?? wrong.message;
      return fill(reason, wrong.params ?? {});
    }
    if (code === 401) return reasons.signed_out;
    return reasons[`${answer.code}.${answer.params?.reason}`] ?? reasons[answer.code] ?? (code >= 500 ? reasons.unavailable : answer.title) ?? reasons.unreachable;
  }

  function failed(row, name, reason) {
    sending.delete(row);
    row.remove();
    refuse(name, reason);
    settled();
  }

  function settled() {
    changed();
    if (sending.size > 0 || !sendsWhenDone) return;
    sendsWhenDone = false;
    form.requestSubmit();
  }

  function attached(id, name, bytes = 0) {
    const row = listed(name, bytes);
    row.dataset.id = id;
    row.append(hidden("attachment_ids", id), hidden(`attachment_name.${id}`, name));
    return row;
  }

  function listed(name, bytes) {
    const row = document.createElement("li");
    row.dataset.name = name;
    row.dataset.size = bytes;
    const text = document.createElement("span");
    text.textContent = bytes ? `${name} (${inWords(bytes)})` : name;
    row.append(text, button(words.remove, name, () => {
      sending.get(row)?.abort();
      sending.delete(row);
      row.remove();
      say(name, words.removed);
      settled();
      (input ?? field).focus();
    }));
    return row;
  }

  function button(word, name, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button quiet small";
    made.textContent = word;
    made.setAttribute("aria-label", about(word, name));
    made.addEventListener("click", act);
    return made;
  }

  function inWords(bytes) {
    const [unit, figure] = bytes >= 1024 * 1024
      ? [patterns.mb, Math.round(bytes / 1024 / 102.4) / 10]
      : [patterns.kb, Math.max(1, Math.round(bytes / 1024))];
    return fill(unit, { count: figure.toLocaleString(document.documentElement.lang) });
  }
}

// As the catalogues write it: `%(name)s`.
function fill(pattern, values) {
  return pattern.replace(/%\((\w+)\)s/g, (_whole, name) => values[name]);
}

function hidden(name, value) {
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = name;
  input.value = value;
  return input;
}

// `crypto.randomUUID` is missing where the portal is reached without TLS.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
