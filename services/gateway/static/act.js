// What is done with a case: the form of an action comes into a dialog when it is asked for, and stays in it until it has
// arrived. Where anything fails on the way, the browser goes to the page of the form itself.

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-labelledby", "act-heading");
document.body.append(dialog);

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-act]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.ariaBusy) return;
  link.ariaBusy = "true";
  const came = await partOf(fetch(link.href));
  link.ariaBusy = null;
  if (!came.part) {
    location.assign(link.href);
    return;
  }
  link.closest("details.menu")?.querySelector("summary").focus(); // where the focus comes back to
  show(came.part);
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !dialog.contains(form)) return;
  event.preventDefault();
  const came = await partOf(fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) }));
  if (came.arrivedAt) location.assign(came.arrivedAt);
  else if (came.part) show(came.part);
  else form.submit(); // once more by the same key: what comes is shown as it is
});

async function partOf(asked) {
  try {
    const answer = await asked;
    if (answer.redirected && answer.ok) return { arrivedAt: answer.url };
    return { part: new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("act") };
  } catch {
    return {};
  }
}

function show(part) {
  const heading = document.createElement("h2");
  heading.id = "act-heading";
  heading.textContent = part.dataset.heading;
  dialog.replaceChildren(heading, ...part.childNodes);
  dialog.dispatchEvent(new Event("came", { bubbles: true }));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("#errors")?.focus();
}
