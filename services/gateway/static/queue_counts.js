// How many cases are in each of the agents' queues, in the navigation of every page. Asked once the page stands, and not
// for every page that is looked at: to count costs more than many a page. Without an answer, the links stand without numbers.

const KEPT = "portico.queue.counts", GOOD_FOR_MS = 30_000;
const { user } = document.body.dataset;

let counts = JSON.parse(sessionStorage.getItem(KEPT));
if (counts?.user !== user) counts = null; // somebody else was signed in here
show();
if (!counts || Date.now() > counts.at + GOOD_FOR_MS) {
  const answer = await fetch("/api/v1/agent/queues").catch(() => null);
  if (answer?.ok) {
    counts = { user, at: Date.now(), items: (await answer.json()).items };
    sessionStorage.setItem(KEPT, JSON.stringify(counts));
    show();
  }
}

function show() {
  const number = new Intl.NumberFormat(document.documentElement.lang);
  for (const { queue, count, is_lower_bound: isMore } of counts?.items ?? []) {
    const place = document.querySelector(`[data-queue="${queue}"]`);
    if (place) place.textContent = count ? number.format(count) + (isMore ? "+" : "") : "";
  }
}
