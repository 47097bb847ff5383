// Names of products without serial numbers, offered while somebody types what a case is about. A name that was chosen
// is that product and no other of a similar name. Without this module the page that follows lists them.

const LEAST = 2;
const PAUSE_MS = 200;
const field = document.getElementById("q");
const offered = document.getElementById("products");
const chosen = field.form.elements.product_number;
let latest = 0;

field.addEventListener("input", async () => {
  const own = ++latest; // of several that are under way, the last counts
  await new Promise((done) => setTimeout(done, PAUSE_MS));
  const q = field.value.trim();
  if (own !== latest || q.length < LEAST) return;
  const query = new URLSearchParams({ q, has_serials: false, limit: 10, total: false });
  const answer = await fetch(`/api/v1/products?${query}`).catch(() => null);
  if (!answer?.ok || own !== latest) return;
  offered.replaceChildren(...(await answer.json()).items.map(({ name, product_number }) => new Option(product_number, name)));
});

field.form.addEventListener("submit", () => {
  const named = [...offered.options].filter((option) => option.value === field.value.trim());
  chosen.value = named.length === 1 ? named[0].text : "";
  chosen.disabled = !chosen.value;
});
