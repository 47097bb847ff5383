// A page that stays up to date: it listens to what happens (GET /api/v1/events), reads its own address again, and takes
// over what has changed, without moving what is read or typed. A page asks for it by one element (live.html):
//
//   data-live           the words, as JSON
//   data-case           the case that it shows, if any, and data-version its version: its parts are renewed
//   data-parts          selectors of those parts, which are as many in every answer; what has the focus is left alone
//   data-list           the selector of a list: of its rows only the number of changed ones is said, nothing moves
//   data-rows           the selector of its rows, with data-number: renewed where they stand
//   data-address        where the page is read again, if not at its own address
//
// Beside it, for agents at a case, an element with data-presence: who else is there. A stream is open only while the page
// is in sight, because a browser has six connections to one address.

const SILENT_MS = 40_000; // every 15 s something comes
const FIRST_PAUSE_MS = 1_000, LONGEST_PAUSE_MS = 30_000;
const HIDDEN_MS = 10_000;
const LIST_PAUSE_MS = 5_000;
const HERE_EVERY_MS = 20_000, GONE_AFTER_MS = 45_000, TYPING_MS = 8_000;

let place = null, stop = () => {};
const begin = ({ isFirst }) => {
  const now = document.querySelector("#case [data-live]") ?? document.querySelector("[data-live]");
  if (now === place) return;
  stop();
  place = now;
  stop = now ? follow(now, isFirst) : () => {};
};
begin({ isFirst: true });
document.addEventListener("came", () => begin({ isFirst: false })); // another case beside the same list (queue.js)

function follow(element, isFirst) {
  const { dataset } = element;
  const words = JSON.parse(dataset.live);
  const number = dataset.case ?? "";
  const presence = document.querySelector("[data-presence]");
  const others = number && presence ? showOthers(presence, number) : null;
  const changed = new Set(); // numbers of the cases in the list
  let stream = null, pause = FIRST_PAUSE_MS, timer = 0, isOver = false, hiddenTimer = 0;
  let isReading = false, isOwed = false, isUrgent = false, readAt = 0;
  const until = new AbortController();
  const listen = (target, kind, act) => target.addEventListener(kind, act, { signal: until.signal });

  listen(document, "visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
    else if (!stream) open();
  });
  listen(window, "pagehide", close);
  listen(window, "pageshow", ({ persisted }) => { if (persisted) open(); });
  listen(window, "online", () => { if (!stream) open(); });
  // What had the focus was left as it was.
  listen(document, "focusout", () => { if (isOwed) setTimeout(() => read(number), 300); });
  open({ isFirst });
  return () => {
    isOver = true;
    until.abort();
    clearTimeout(hiddenTimer);
    close();
  };

  function close() {
    clearTimeout(timer);
    stream?.abort();
    stream = null;
    others?.leave();
  }

  async function open({ isFirst = false } = {}) {
    clearTimeout(timer);
    if (isOver || document.hidden || stream) return;
    const own = stream = new AbortController();
    try {
      const query = number ? `?case=${number}${dataset.list ? "&scope=all" : ""}` : "";
      const answer = await fetch(`/api/v1/events${query}`, { signal: own.signal });
      // Nobody is signed in any more, or is not allowed to: to ask again would change nothing.
      isOver = [401, 403, 422].includes(answer.status);
      if (answer.ok) {
        for await (const event of eventsOf(answer.body, own)) take(event, isFirst);
      }
    } catch { /* it broke off: what is missed is read when it is there again */ }
    if (stream !== own) return;
    stream = null;
    others?.forget();
    if (isOver) return;
    timer = setTimeout(open, pause * (1 + 2 * Math.random()));
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS / 3);
  }

  function take(event, isFirst) {
    switch (event.kind) {
      case "open":
        pause = FIRST_PAUSE_MS;
        others?.arrive();
        if (!isFirst) read(number);
        else if (number) readIfOld();
        break;
      case "case":
        if (event.number !== number) changed.add(event.number);
        read(event.number === number);
        break;
      case "reload":
        read(number);
        break;
      case "presence":
        others?.show(event);
        break;
      case "closed":
        isOver = true; // other tabs of the same person are in sight
        document.addEventListener("visibilitychange", () => { isOver = until.signal.aborted; }, { once: true });
    }
  }

  // Something may have happened between the page and its stream.
  async function readIfOld() {
    const answer = await fetch(`/api/v1/cases/${number}/history?limit=1&since_version=${dataset.version}`).catch(() => null);
    if (answer?.ok && (await answer.json()).items.length) read(true);
  }

  // One after the other; whatever comes meanwhile is read once more. A list is not read for every change anywhere.
  async function read(isOfCase) {
    isOwed = true;
    isUrgent ||= Boolean(isOfCase);
    if (isReading) return;
    isReading = true;
    while (isOwed && !document.hidden && !isOver) {
      while (!isUrgent && Date.now() < readAt + LIST_PAUSE_MS) await sleep(200);
      isOwed = isUrgent = false;
      readAt = Date.now();
      await renew();
    }
    isReading = false;
  }

  async function renew() {
    const answer = await fetch(dataset.address ?? ownAddress()).catch(() => null);
    if (!answer || answer.status >= 500 || answer.status === 429) return;
    if (answer.redirected || answer.status === 401) {
      isOver = true;
      return;
    }
    if (!answer.ok) {
      say(words.gone);
      isOver = true;
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (dataset.rows) renewRows(page);
    if (number) takeOver(page);
    if (dataset.list) compare(page);
  }

  function takeOver(page) {
    const fresh = page.querySelector("[data-live]");
    if (!fresh || fresh.dataset.case !== number) return;
    const { isWhole, isLeft } = renewParts(dataset.parts, page);
    if (isLeft) setTimeout(() => { isOwed = true; }, 0);
    dataset.version = fresh.dataset.version;
    const entries = addEntries(page);
    // Whether one can write, and what else is in another place now, a new page says.
    const canWrite = (root) => Boolean(root.querySelector(".composer form"));
    if (!isWhole || canWrite(page) !== canWrite(document)) say(words.changed, words.reload, () => location.reload());
    else if (entries.length) {
      const text = entries.length === 1 ? words.entry : fill(words.entries, { count: entries.length });
      say(text, words.show, () => {
        entries[0].scrollIntoView({ block: "center" });
        entries[0].tabIndex = -1;
        entries[0].focus({ preventScroll: true });
      });
      untilSeen(entries[0], () => say(""));
    }
  }

  // A row stays where it is, and its link keeps the focus.
  function renewRows(page) {
    const fresh = new Map([...page.querySelectorAll(dataset.rows)].map((row) => [row.dataset.number, row]));
    for (const row of document.querySelectorAll(dataset.rows)) {
      const now = fresh.get(row.dataset.number);
      row.classList.toggle("left", !now);
      if (!now) row.lastElementChild.textContent = words.left;
      else [...row.children].forEach((part, place) => {
        if (part.outerHTML !== now.children[place].outerHTML) renewPart(part, now.children[place]);
      });
    }
  }

  function compare(page) {
    // Two cases may look the same.
    const keyOf = (row) => `${row.closest("[href]") ?? row.querySelector("[href]")} ${textOf(row)}`;
    const rows = (root) => new Set([...root.querySelectorAll(dataset.list)].map(keyOf));
    const [before, after] = [rows(document), rows(page)];
    const isSame = before.size === after.size && [...after].every((row) => before.has(row));
    if (isSame) {
      changed.clear();
      say("");
    } else {
      const text = changed.size === 1 ? words.case : fill(words.cases, { count: changed.size });
      say(changed.size ? text : words.list, words.reload, () => location.reload());
    }
  }

  // A quiet line above the page: nothing moves by it.
  function say(text, button, act) {
    const line = element.querySelector("[role=status]");
    if (line.dataset.text === text) return;
    line.dataset.text = text ?? "";
    line.replaceChildren();
    if (!text) return;
    line.append(text);
    if (!button) return;
    const press = Object.assign(document.createElement("button"), { type: "button", textContent: button });
    press.addEventListener("click", () => {
      say("");
      act();
    });
    line.append(" ", press);
  }
}

// Server-sent events, one after the other. After a long silence the connection is given up.
async function* eventsOf(body, controller) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), SILENT_MS);
  };
  try {
    for (;;) {
      wait();
      const { value, done } = await reader.read();
      if (done) return;
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      for (const message of messages) {
        const data = message.split("\n").find((line) => line.startsWith("data: "));
        try {
          if (data) yield JSON.parse(data.slice(6));
        } catch { /* cut off by the end of the stream */ }
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

// What the reader is at stays where it is: the field that has the focus, or else what is in the middle of the window.
function keepInPlace(change) {
  const focused = document.activeElement?.closest("main form") ? document.activeElement : null;
  const still = focused ?? document.elementFromPoint(innerWidth / 3, innerHeight / 2)?.closest("[data-entry], #problem");
  const before = still?.getBoundingClientRect().top;
  change();
  if (still?.isConnected) scrollBy({ top: still.getBoundingClientRect().top - before, behavior: "instant" });
}

function renewParts(selectors, page) {
  let isWhole = true, isLeft = false;
  keepInPlace(() => {
    for (const selector of selectors.split(",")) {
      const [old, fresh] = [document, page].map((root) => [...root.querySelectorAll(selector)]);
      if (old.length !== fresh.length) isWhole = false;
      else {
        old.forEach((part, place) => {
          if (textOf(part) === textOf(fresh[place]) && part.className === fresh[place].className) return;
          if (part.contains(document.activeElement) || part.querySelector("details.menu[open], dialog[open]")) isLeft = true;
          else renewPart(part, fresh[place]);
        });
      }
    }
  });
  return { isWhole, isLeft };
}

// The element stays, with whatever listens to it, and its open sections stay open.
function renewPart(part, fresh) {
  if (part.tagName !== fresh.tagName) {
    part.replaceWith(document.importNode(fresh, true));
    return;
  }
  const isOpen = [...part.querySelectorAll("details")].map(({ open }) => open);
  part.className = fresh.className;
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  const sections = [...part.querySelectorAll("details")];
  if (sections.length === isOpen.length) sections.forEach((section, place) => { section.open = isOpen[place]; });
}

// New entries come in at the end of the newest ones; where older ones are shown, nothing is added.
function addEntries(page) {
  const known = new Set([...document.querySelectorAll("[data-entry]")].map(({ dataset }) => dataset.entry));
  const talk = document.querySelector("#history > div > .talk");
  const isNewest = talk && !talk.querySelector(":scope > .earlier:last-child");
  if (!isNewest) return [];
  const entries = [...page.querySelectorAll("[data-entry]")].filter(({ dataset }) => !known.has(dataset.entry));
  const added = entries.map((entry) => document.importNode(entry, true));
  if (added.length) {
    keepInPlace(() => {
      document.getElementById("newest")?.removeAttribute("id");
      talk.append(...added);
      added.at(-1).id = "newest";
    });
  }
  return added;
}

function untilSeen(element, act) {
  const watcher = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    watcher.disconnect();
    setTimeout(act, 4_000);
  }, { threshold: 0.5 });
  watcher.observe(element);
}

// Who else of the vendor is at the case. They tell each other; nobody keeps it.
function showOthers(place, number) {
  const words = JSON.parse(place.dataset.presence);
  const people = new Map(); // by their id
  const csrf = document.querySelector("meta[name=csrf-token]").content;
  let state = "left", saidAt = 0, typedAt = 0, timer = 0;

  const typed = ({ target }) => {
    if (!target.closest(".composer")) return;
    typedAt = Date.now();
    if (state === "here") say("typing");
  };

  function say(now) {
    [state, saidAt] = [now, Date.now()];
    fetch(`/api/v1/cases/${number}/presence`, {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify({ state: now }),
    }).catch(() => {});
  }

  function tick() {
    const now = Date.now();
    const isTyping = now - typedAt < TYPING_MS;
    if (isTyping !== (state === "typing") || now - saidAt > HERE_EVERY_MS) say(isTyping ? "typing" : "here");
    for (const [id, { until }] of people) if (until < now) people.delete(id);
    write();
  }

  function write() {
    const text = [...people.values()].map(({ name, state: its }) => fill(words[its], { name })).join(" ");
    if (place.textContent !== text) place.textContent = text;
  }

  return {
    arrive() {
      document.addEventListener("input", typed); // once, however often
      clearInterval(timer);
      timer = setInterval(tick, 1_000);
      state = "left";
      say(Date.now() - typedAt < TYPING_MS ? "typing" : "here");
    },
    show({ user_id: id, name, state: its }) {
      if (its === "left") people.delete(id);
      else {
        // Whoever comes does not know yet who is there.
        if (!people.has(id)) setTimeout(() => say(state), 300 * Math.random());
        people.set(id, { name, state: its, until: Date.now() + GONE_AFTER_MS });
      }
      write();
    },
    forget() {
      clearInterval(timer);
      people.clear();
      write();
    },
    leave() {
      if (state !== "left") say("left");
      document.removeEventListener("input", typed);
      this.forget();
    },
  };
}

// Of the page as it is, without what is said once after something was done.
function ownAddress() {
  const query = new URLSearchParams(location.search);
  query.delete("done");
  return `${location.pathname}${query.size ? `?${query}` : ""}`;
}

// Without what is different in each answer: how long ago something was, and the secrets of forms.
function textOf(element) {
  const copy = element.cloneNode(true);
  for (const each of copy.querySelectorAll("time, input[type=hidden]")) each.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

const fill = (pattern, values) => pattern.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
const sleep = (ms) => new Promise((resume) => { setTimeout(resume, ms); });
