// The conversation of a case: sent by keys, and its earlier entries shown without leaving the page.

document.addEventListener("keydown", (event) => {
  const composer = event.target.closest?.(".composer form");
  if (!composer || event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit(composer.querySelector("button.primary"));
});

// They come in above what is being read, which stays where it is.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-earlier]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.ariaBusy) return;
  link.ariaBusy = "true";
  const page = await pageAt(link.href);
  if (!page) {
    location.assign(link.href); // which says why
    return;
  }
  const place = link.closest("li");
  const next = place.nextElementSibling ?? place.parentElement;
  const before = next.getBoundingClientRect().top;
  const entries = [...page.querySelectorAll("#history > div > .talk > li:not(#problem)")];
  entries.pop(); // the link to the newest, which stand below
  place.replaceWith(...entries);
  const pane = next.closest(".pane");
  const scroller = pane && getComputedStyle(pane).overflowY === "auto" ? pane : window;
  scroller.scrollBy({ top: next.getBoundingClientRect().top - before, behavior: "instant" });
  const first = entries.find((entry) => !entry.matches(".earlier")) ?? next;
  first.tabIndex = -1;
  first.focus({ preventScroll: true });
});

async function pageAt(address) {
  try {
    const answer = await fetch(address);
    const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    return page && page.getElementById("problem") ? page : null;
  } catch {
    return null;
  }
}
