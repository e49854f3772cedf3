// Selectors of a board's page: the scores of one field, and a scorecard of any two methods. NUMBERS is made by numbers.js.
"use strict";

const STEPS = [{% for _, step in steps %}{{ step }}{{ ", " if not loop.last }}{% endfor %}];
const CLASSES = [{% for kind, _ in steps %}"{{ kind }}", {% endfor %}"w5"];
const FLIPPED = { "up": "down", "down": "up", "up large": "down large", "down large": "up large" };
const METRICS = {{ metric_names | tojson }};

function choice(label, entries) {
  const [text, select] = control("select", label);
  for (const [value, words] of entries) select.append(new Option(words, value));
  return [text, select];
}

function bar(...labels) {
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(...labels);
  return tools;
}

const regions = () => Object.entries(NUMBERS.regions);
const kind = (field) => (field.observed ? "observed" : "not observed");
const surface = (level) => (level === null ? "surface" : `${level} hPa`);

// Scores of one field: variable, level and region are chosen, the columns are metrics.
function scores(table) {
  const fields = NUMBERS.fields;
  const variables = [...new Set(fields.map((field) => field.variable))];
  const [a, variable] = choice("variable", variables.map((name) => [name, name]));
  const [b, level] = choice("level", []);
  const [c, region] = choice("region", regions());
  const metrics = JSON.parse(table.dataset.metrics);

  function levels() {
    const own = fields.filter((field) => field.variable === variable.value);
    level.replaceChildren(...own.map((field) => new Option(surface(field.level), field.level)));
    show();
  }
  function show() {
    const place = fields.findIndex((f) => f.variable === variable.value && String(f.level) === level.value);
    const field = fields[place];
    const name = `${field.variable}${field.level === null ? "" : `, ${field.level} hPa`}`;
    document.getElementById("field").textContent = `${name}${field.units ? `, ${field.units}` : ""}: ${kind(field)}.`;
    for (const row of table.tBodies[0].rows) {
      metrics.forEach((metric, column) => {
        const [text, note] = NUMBERS.scores[metric][region.value][place][row.dataset.place];
        const small = document.createElement("small");
        small.textContent = note;
        row.cells[column + 1].replaceChildren(text, ...(note ? [small] : []));
      });
    }
  }
  variable.addEventListener("change", levels);
  for (const select of [level, region]) select.addEventListener("change", show);
  const first = fields[table.dataset.field];
  variable.value = first.variable;
  levels();
  level.value = first.level;
  show();
  if (fields.length > 1) table.parentElement.before(bar(a, b, c));
}

// A scorecard: one method against another, by metric and region.
function scorecard(place) {
  const methods = NUMBERS.methods.map((method, i) => [i, method.name]);
  const [a, one] = choice("method", methods);
  const [b, other] = choice("against", methods);
  const [c, metric] = choice("metric", Object.keys(NUMBERS.pairs).map((name) => [name, METRICS[name]]));
  const [d, region] = choice("region", regions());
  const [e, digits] = control("input", "numbers");
  digits.type = "checkbox";
  const table = document.createElement("table");
  table.className = "scorecard";
  const said = document.createElement("p");
  said.className = "facts";
  said.setAttribute("role", "status");
  const frame = document.createElement("div");
  frame.className = "cards";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Scorecard of two methods");
  frame.append(table);
  other.value = Math.min(1, methods.length - 1);

  function show() {
    const marks = pair(one.value, other.value, metric.value, region.value);
    table.replaceChildren(...card(marks));
    const counts = ["up", "down"].map((way) => marks.filter(([, arrow]) => arrow.startsWith(way)).length);
    const names = [one, other].map((select) => NUMBERS.methods[select.value].name);
    const what = METRICS[metric.value];
    said.textContent = region.value !== "global" || one.value === other.value ? "" :
      `${names[0]} has significantly less ${what} than ${names[1]} in ${counts[0]} of ${marks.length} fields, and more in ${counts[1]}.`;
  }
  for (const select of [one, other, metric, region]) select.addEventListener("change", show);
  digits.addEventListener("change", () => place.classList.toggle("digits", digits.checked));
  place.append(bar(a, b, c, d, e), frame, said);
  place.hidden = false;
  show();
}

// Ratio and arrow in every field; numbers.js has each pair once.
function pair(one, other, metric, region) {
  if (one === other) return NUMBERS.fields.map(() => [1, ""]);
  const pairs = NUMBERS.pairs[metric][region];
  if (`${one} ${other}` in pairs) return pairs[`${one} ${other}`];
  return pairs[`${other} ${one}`].map(([ratio, arrow]) => [ratio && 1 / ratio, FLIPPED[arrow] || arrow]);
}

function card(marks) {
  const fields = NUMBERS.fields.map((field, i) => ({ ...field, mark: marks[i] }));
  const levels = [...new Set(fields.map((field) => field.level))].sort((x, y) => (x ?? -1) - (y ?? -1));
  const head = document.createElement("thead");
  const top = head.insertRow();
  top.insertCell();
  for (const level of levels) top.append(cell("th", level === null ? "sfc" : level, "col"));
  const bodies = [true, false].map((observed) => fields.filter((field) => field.observed === observed));
  return [head, ...bodies.filter((own) => own.length).map((own) => block(own, levels))];
}

function cell(tag, text, scope) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
}

function block(fields, levels) {
  const body = document.createElement("tbody");
  const title = body.insertRow();
  title.className = "kind";
  title.append(cell("th", kind(fields[0]), "rowgroup"));
  title.cells[0].colSpan = 1 + levels.length;
  for (const variable of new Set(fields.map((field) => field.variable))) {
    const row = body.insertRow();
    row.append(cell("th", variable, "row"));
    for (const level of levels) {
      row.append(marked(fields.find((field) => field.variable === variable && field.level === level)));
    }
  }
  return body;
}

function marked(field) {
  const made = document.createElement("td");
  if (!field || field.mark[0] === null) return made;
  const [ratio, arrow] = field.mark;
  made.className = CLASSES[STEPS.filter((step) => ratio > step).length];
  const sign = document.createElement("i");
  if (arrow) sign.className = `arrow ${arrow}`;
  const number = document.createElement("span");
  number.className = "ratio";
  number.textContent = ratio.toPrecision(2);
  made.title = `${field.variable}${field.level === null ? "" : ` ${field.level}`}: ${number.textContent}`;
  made.append(sign, number);
  return made;
}

document.querySelectorAll("table.field").forEach(scores);
document.querySelectorAll(".chosen").forEach(scorecard);
