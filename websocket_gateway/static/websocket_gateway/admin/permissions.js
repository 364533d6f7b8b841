/* The permission picker: what is chosen in a list is added to the text field above it. */
"use strict";

document.addEventListener("change", (event) => {
  const list = event.target;
  if (!list.matches || !list.matches("select[data-wsg-adds-to]") || !list.value) return;
  const field = document.getElementById(list.dataset.wsgAddsTo);
  const text = field.value.replace(/[ \t]+$/, "");
  const fresh = text === "" || text.endsWith("\n");
  field.value = text + (fresh ? "" : list.dataset.wsgSeparator) + list.value;
  list.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
