// Skill against cost of a board's methods: which fields, which cost, and straight or logarithmic axes. NUMBERS is made by numbers.js.
"use strict";

const ROOM = { left: 52, right: 14, top: 14, bottom: 44 };
const LETTER = 6.8, LINE_HEIGHT = 15;

function drawn(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Round numbers between two ends: 1, 2 and 5 of every power of ten, or steps of one size.
function ticks(low, high, log) {
  if (log && high / low > 5) {
    const parts = high / low > 1000 ? [1] : high / low > 50 ? [1, 3] : [1, 2, 5], found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      found.push(...parts.map((part) => part * 10 ** power));
    }
    return found.filter((value) => value >= low && value <= high);
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: 8 }, (_, i) => (first + i) * step).filter((value) => value <= high * (1 + 1e-9));
}

const short = (value) => String(Number(value.toPrecision(3)));

// The ends of an axis with some room, and where a value lies between two places.
function axis(values, log, from, to) {
  const least = Math.min(...values), most = Math.max(...values);
  const wide = log ? Math.max((most / least) ** 0.1, 1.15) : 0.1 * (most - least || most);
  const [low, high] = log ? [least / wide, most * wide] : [Math.max(0, least - wide), most + wide];
  const share = (v) => (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low));
  return { ticks: ticks(low, high, log), at: (v) => from + share(v) * (to - from) };
}

// The points that no cheaper one beats.
function best(points) {
  const front = [];
  for (const point of [...points].sort((a, b) => a.cost - b.cost || a.skill - b.skill)) {
    if (!front.length || point.skill < front.at(-1).skill) front.push(point);
  }
  return front;
}

// Beside a point, at the nearest height where the fewest other names and points are, and then lines.
function beside(x, y, name, taken, { width, height }) {
  const wide = name.length * LETTER, boxes = [];
  for (let step = 0; step < 24; step++) {
    const dy = (step % 2 ? 1 : -1) * Math.ceil(step / 2) * LINE_HEIGHT;
    for (const left of [x + 9, x - 9 - wide]) boxes.push({ left, right: left + wide, top: y + dy - 8, low: y + dy + 7 });
  }
  const inside = boxes.filter((box) => box.left > ROOM.left && box.right < width - 2 && box.top > 0 && box.low < height - ROOM.bottom);
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.low && b.top < a.low;
  const clashes = (one) => taken.reduce((sum, other) => sum + (meets(one, other) ? (other.line ? 1 : 10) : 0), 0);
  const box = (inside.length ? inside : boxes).reduce((best, one) => (clashes(one) < clashes(best) ? one : best));
  taken.push(box);
  return box;
}

function axes(picture, x, y, { width, height, cost, skill }) {
  const low = height - ROOM.bottom;
  for (const value of y.ticks) {
    picture.append(drawn("line", { x1: ROOM.left, x2: width - ROOM.right, y1: y.at(value), y2: y.at(value) }));
    picture.append(drawn("text", { x: ROOM.left - 8, y: y.at(value) + 4, "text-anchor": "end" }, short(value)));
  }
  picture.append(drawn("line", { class: "axis", x1: ROOM.left, x2: width - ROOM.right, y1: low, y2: low }));
  for (const value of x.ticks) {
    picture.append(drawn("line", { class: "axis", x1: x.at(value), x2: x.at(value), y1: low, y2: low + 4 }));
    picture.append(drawn("text", { x: x.at(value), y: low + 17, "text-anchor": "middle" }, short(value)));
  }
  picture.append(drawn("text", { x: (ROOM.left + width) / 2, y: height - 6, "text-anchor": "middle" }, cost));
  picture.setAttribute("aria-label", `${skill} against ${cost}`);
}

function chart(place) {
  const skills = [...new Set(NUMBERS.costs.map((one) => one.skill))];
  const costs = [...new Set(NUMBERS.costs.map((one) => one.cost))];
  const [a, skill] = choice("skill", skills.map((words) => [words, words]));
  const [b, cost] = choice("cost", costs.map((words) => [words, words]));
  const switches = ["log cost", "log skill"].map((text) => control("input", text));
  for (const [, input] of switches) Object.assign(input, { type: "checkbox", checked: true });
  const picture = drawn("svg", { class: "chart", role: "group" });
  const said = document.createElement("p");
  said.className = "facts";
  said.setAttribute("role", "status");
  place.append(bar(a, b, ...switches.map(([text]) => text)), picture, said);

  function show() {
    const own = NUMBERS.costs.find((one) => one.skill === skill.value && one.cost === cost.value);
    picture.replaceChildren();
    said.textContent = own ? "Point at a method for its numbers; no method beats those on the dotted line in both." : "No method has both numbers.";
    if (own) plot(own);
  }
  function plot(own) {
    const width = Math.max(280, Math.min(place.clientWidth, 860)), height = width < 500 ? 320 : 400;
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) picture.setAttribute(name, value);
    const points = own.points.map(([row, cost, skill]) => ({ ...NUMBERS.methods[row], cost, skill }));
    const [logCost, logSkill] = switches.map(([, input]) => input.checked);
    const x = axis(points.map((p) => p.cost), logCost, ROOM.left, width - ROOM.right);
    const y = axis(points.map((p) => p.skill), logSkill, height - ROOM.bottom, ROOM.top);
    axes(picture, x, y, { width, height, ...own });
    const placed = points.map((p) => ({ ...p, cx: x.at(p.cost), cy: y.at(p.skill) })), front = best(placed);
    picture.append(drawn("path", { class: "front", d: front.map((p, i) => (i ? `H${p.cx}V${p.cy}` : `M${p.cx} ${p.cy}`)).join("") }));
    const taken = placed.map(({ cx, cy }) => ({ left: cx - 6, right: cx + 6, top: cy - 6, low: cy + 6 }));
    front.slice(1).forEach((p, i) => taken.push(
      { line: true, left: front[i].cx, right: p.cx, top: front[i].cy - 1, low: front[i].cy + 1 },
      { line: true, left: p.cx - 1, right: p.cx + 1, top: front[i].cy, low: p.cy },
    ));
    for (const point of placed) picture.append(mark(point, own, taken, { width, height }));
  }
  function mark(point, own, taken, size) {
    const { cx, cy } = point;
    const words = `${point.name}: ${own.skill} ${short(point.skill)}; ${short(point.cost)} ${own.cost}`;
    const group = drawn("g", { tabindex: 0, role: "img", "aria-label": words });
    const box = beside(cx, cy, point.name, taken, size), right = box.left > cx;
    const near = right ? box.left - 2 : box.right + 2, middle = (box.top + box.low) / 2;
    if (Math.abs(middle - cy) > LINE_HEIGHT / 2) group.append(drawn("line", { x1: cx, y1: cy, x2: near, y2: middle }));
    group.append(drawn("circle", { class: `f-${point.colour}`, cx, cy, r: 6 }));
    group.append(drawn("text", { x: right ? box.left : box.right, y: middle + 4, "text-anchor": right ? "start" : "end" }, point.name));
    for (const kind of ["pointerenter", "focus"]) group.addEventListener(kind, () => { said.textContent = `${words}.`; });
    return group;
  }
  for (const input of [skill, cost, ...switches.map(([, own]) => own)]) input.addEventListener("change", show);
  let wide = 0;
  new ResizeObserver(() => {
    if (place.clientWidth !== wide) { wide = place.clientWidth; show(); }
  }).observe(place);
  place.hidden = false;
  show();
}

document.querySelectorAll(".costs").forEach((place) => { if (NUMBERS.costs.length) chart(place); });
