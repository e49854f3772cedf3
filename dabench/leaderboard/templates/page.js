// Sorting and filtering of tables, copying, printing, and the choice between light and dark. Everything is readable without it.
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
  if (row.cells[column].dataset.sort !== undefined) return Number(row.cells[column].dataset.sort);
  const node = row.cells[column].querySelector(".pill") || row.cells[column];
  const text = (node.firstChild && node.firstChild.textContent.trim()) || "";
  const value = text ? Number(text.replaceAll("\u2212", "-")) : NaN;
  return row.cells[column].tagName === "TD" && Number.isFinite(value) ? value : null;
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

function control(kind, text) {
  const label = document.createElement("label");
  const input = document.createElement(kind);
  label.append(text + " ", input);
  return [label, input];
}

// Which metric the columns of an overview show, and which rows.
function tools(table) {
  const bar = document.createElement("div");
  bar.className = "tools";
  const [show, metric] = control("select", "show");
  for (const [value, text] of JSON.parse(table.dataset.metrics)) {
    metric.append(new Option(text, value));
  }
  metric.addEventListener("change", () => { table.dataset.show = metric.value; });
  const [filter, words] = control("input", "filter methods");
  words.type = "search";
  words.addEventListener("input", () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const name = `${row.dataset.method} ${row.cells[0].textContent}`.toLowerCase();
      row.hidden = wanted.length > 0 && !wanted.some((word) => name.includes(word));
    }
  });
  bar.append(show, filter);
  table.parentElement.before(bar);
}

function sortable(table) {
  const heads = [...[...table.tHead.rows].at(-1).cells];
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

// A button that copies a command, where the browser lets a page do that.
function copyable(block) {
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
  block.after(button);
}

// Paper has no folds: all of them are opened, and pictures in them fetched, before printing.
function printed() {
  const folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
  for (const image of document.images) image.loading = "eager";
  addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }), { once: true });
}

// Pictures of a whole page are to have the figures, too, that nobody has scrolled to; folded ones can wait.
function loaded() {
  for (const image of document.images) {
    if (!image.closest("details:not([open])")) image.loading = "eager";
  }
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
document.querySelectorAll("table.overview").forEach(tools);
document.querySelectorAll("code.block").forEach(copyable);
unfold();
addEventListener("hashchange", unfold);
addEventListener("load", loaded);
addEventListener("beforeprint", printed);
