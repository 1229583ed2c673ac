"use strict";
const form = document.querySelector("#filter");
const rows = [...document.querySelectorAll(".matrix tr[data-words]")];
const texts = rows.map((row) => {
  const area = row.parentElement.querySelector(".area").textContent;
  return `${area}::${row.textContent}`.toLowerCase();
});
const wanted = new Set();

function apply() {
  const words = form.querySelector("input").value.toLowerCase().split(/\s+/);
  let shown = 0;
  rows.forEach((row, index) => {
    const ended = wanted.size === 0 || row.dataset.words.split("|").some((word) => wanted.has(word));
    row.hidden = !(ended && words.every((word) => texts[index].includes(word)));
    shown += !row.hidden;
  });
  for (const body of document.querySelectorAll(".matrix tbody")) {
    body.hidden = !body.querySelector("tr[data-words]:not([hidden])");
  }
  form.querySelector("output").value = shown === rows.length ? "" : `${shown} of ${rows.length} tests`;
}

if (form) {
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const item of document.querySelectorAll(".counts li")) {
    const button = document.createElement("button");
    button.append(...item.childNodes);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const { word } = item.dataset;
      wanted.delete(word) || wanted.add(word);
      button.setAttribute("aria-pressed", wanted.has(word));
      apply();
    });
    item.append(button);
  }
}

for (const line of navigator.clipboard ? document.querySelectorAll(".again") : []) {
  const button = document.createElement("button");
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line.querySelector("code").textContent);
    button.textContent = "Copied";
  });
  line.append(button);
}
