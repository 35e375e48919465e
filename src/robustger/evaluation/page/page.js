"use strict";
(() => {
  const table = document.getElementById("utterances");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const kind = document.getElementById("kind");
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");

  function sortBy(header) {
    const column = header.cellIndex;
    const numeric = header.classList.contains("number");
    // numbers begin with the largest, texts with the first
    const before = header.getAttribute("aria-sort");
    const ascending = before ? before === "descending" : !numeric;
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const compare = numeric
      ? (a, b) => value(a) - value(b)
      : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
    rows.sort((a, b) => (ascending ? compare(a, b) : compare(b, a)));
    table.tBodies[0].append(...rows);
  }

  function filter() {
    const words = search.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits =
        (!kind || kind.value === "all" || row.dataset.kinds.split(" ").includes(kind.value)) &&
        (!words || row.textContent.toLowerCase().includes(words));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} shown`;
  }

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => sortBy(button.parentNode));
  }
  kind?.addEventListener("change", filter);
  search.addEventListener("input", filter);
  filter();
})();
