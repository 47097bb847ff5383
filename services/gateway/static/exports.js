// Looks again while an export is under way, puts what is new in place, and says when one is ready.

const EVERY_MS = 2000;
const states = (page) => [...page.querySelectorAll("[data-state]")].map((cell) => cell.dataset.state);
const isUnderWay = () => states(document).some((state) => state === "waiting" || state === "running");
const ready = () => states(document).filter((state) => state === "done").length;

async function look() {
  const answer = await fetch("/cases/exports", { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, then] = [page.querySelector("#list tbody"), document.querySelector("#list tbody")];
  if (!now) return;
  const [before, focused] = [ready(), then.contains(document.activeElement) ? document.activeElement.id : ""];
  then.replaceWith(document.adoptNode(now));
  if (focused) document.getElementById(focused)?.focus();
  if (ready() > before) document.getElementById("ready").textContent = document.getElementById("list").dataset.ready;
}

async function watch() {
  while (isUnderWay()) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    // Not while nobody looks; what does not come now comes with the next one.
    if (!document.hidden) await look().catch(() => {});
  }
  document.querySelector(".foot [href='/cases/exports']")?.parentElement.remove();
}

watch();
