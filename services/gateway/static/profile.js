// A form goes on only when it is complete; a sentence beside the button names what is missing or wrong. Without this
// module the button always works, and the answer names the same at the fields.

// Looser than the portal's own check, which has the last word: nobody is stopped here whom it would let pass.
const LEAST_SIGNS = 5;
const isEmail = (text) => /\S\s*[@＠]\s*\S/.test(text);
const isPhone = (text) =>
  /[+＋]|^\P{Nd}*[0０٠]{2}/u.test(text) && text.replace(/[^\p{Nd}\p{L}]/gu, "").length >= LEAST_SIGNS;

const isMissing = (field) => field.required && field.value.trim() === "";
const isWrong = (field) => {
  const text = field.value.trim();
  if (text === "") return false;
  return (field.type === "tel" && !isPhone(text)) || (field.type === "email" && !isEmail(text));
};
const nameOf = (field) => field.labels[0].firstChild.textContent.trim();

for (const form of document.querySelectorAll("form[data-complete]")) watch(form);

function watch(form) {
  const fields = [...form.elements].filter((field) => field.willValidate && field.name && field.labels.length);
  const button = form.querySelector("button.primary");
  const status = form.querySelector("[role=status]");

  const named = (sentence, wanted) => {
    const names = fields.filter(wanted).map(nameOf);
    return names.length ? sentence.replace("{fields}", names.join(", ")) : "";
  };
  const check = () => {
    const sentences = [named(form.dataset.missing, isMissing), named(form.dataset.wrong, isWrong)];
    const text = sentences.filter(Boolean).join(" ");
    // What is said already is not said again.
    if (status.textContent !== text) status.textContent = text;
    status.className = text ? "notice info" : "";
    button.disabled = text !== "";
  };

  form.addEventListener("input", check);
  form.addEventListener("change", (event) => {
    const field = event.target;
    // Only once the person has left the field: half a number is no mistake yet.
    if (fields.includes(field)) mark(field);
    check();
  });
  const mark = (field) => {
    const frame = field.closest(".field");
    // What the portal itself refused stays marked until it is sent again.
    if (frame.querySelector(".error")) return;
    const bad = isMissing(field) || isWrong(field);
    frame.classList.toggle("bad", bad);
    if (bad) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  // The browser fills fields in by itself, also when it comes back to the page.
  window.addEventListener("pageshow", check);
  check();
}
