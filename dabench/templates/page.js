// Sorting of tables, and the choice between light and dark. Everything is readable without it.
"use strict";

const root = document.documentElement;

function stored(value) {
  try {
    if (value !== undefined) localStorage.setItem("dabench-theme", value);
    return localStorage.getItem("dabench-theme");
  } catch {
    return null; // pages from disk may have no storage
  }
}

function themes() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = stored();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const button = document.querySelector("button.theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    stored(root.dataset.theme);
  });
}

function key(row, column) {
  const cell = row.cells[column];
  const given = cell.dataset.sort;
  return given === undefined ? null : Number(given);
}

function compare(a, b, column, sign) {
  const x = key(a, column), y = key(b, column);
  if (x === null && y === null) {
    const text = (row) => row.cells[column].textContent.trim();
    return sign * text(a).localeCompare(text(b), undefined, { numeric: true });
  }
  if (x === null || y === null) return x === null ? 1 : -1; // no value: always last
  return sign * (x - y);
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows];
      rows.sort((a, b) => compare(a, b, column, rising ? 1 : -1));
      body.append(...rows);
    });
  });
}

function unfold() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

themes();
document.querySelectorAll("table.sortable").forEach(sortable);
unfold();
addEventListener("hashchange", unfold);
