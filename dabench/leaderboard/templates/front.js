// Maps of the front page, drawn from bytes in the Equal Earth projection. SHOWCASE is made by showcase.js.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const MISSING = 255, MOST = 254, WIDTH = 420;

// Colours of all levels as pixels; grey where a value is missing.
function lookup(text) {
  const part = bytes(text), colours = new Uint32Array(MISSING + 1).fill(0xff808080);
  for (let i = 0; i <= MOST; i++) colours[i] = (0xff000000 | (part[3 * i + 2] << 16) | (part[3 * i + 1] << 8) | part[3 * i]) >>> 0;
  return colours;
}

// For every pixel its latitude and longitude; NaN outside of the globe.
function places() {
  const { coefficients, powers, half } = SHOWCASE.projection;
  const height = Math.round((WIDTH * half[1]) / half[0]);
  const theta = (latitude) => Math.asin(Math.sqrt(0.75) * Math.sin((latitude * Math.PI) / 180));
  const up = (t) => coefficients.reduce((sum, a, i) => sum + a * t ** (powers[i] + 1), 0);
  const slope = (t) => coefficients.reduce((sum, a, i) => sum + (powers[i] + 1) * a * t ** powers[i], 0);
  const latitude = new Float32Array(WIDTH * height), longitude = new Float32Array(WIDTH * height);
  for (let row = 0; row < height; row++) {
    const y = half[1] * (1 - (2 * row + 1) / height);
    let low = -90, high = 90;
    for (let i = 0; i < 30; i++) {
      const middle = (low + high) / 2;
      if (up(theta(middle)) < y) low = middle; else high = middle;
    }
    const t = theta(low), degree = ((Math.cos(t) / (Math.sqrt(0.75) * slope(t))) * Math.PI) / 180;
    for (let column = 0; column < WIDTH; column++) {
      const turn = (half[0] * ((2 * column + 1) / WIDTH - 1)) / degree;
      latitude[row * WIDTH + column] = low;
      longitude[row * WIDTH + column] = Math.abs(turn) <= 180 ? turn : NaN;
    }
  }
  return { height, latitude, longitude };
}

// For every pixel the point of the grid that is nearest to it; -1 outside.
function nearest({ latitude, longitude }) {
  const rows = SHOWCASE.latitude, columns = SHOWCASE.longitude;
  const least = (values, away) => values.reduce((best, v, i) => (away(v) < away(values[best]) ? i : best), 0);
  const row = new Map(), step = 360 / columns.length;
  return Int32Array.from(latitude, (lat, i) => {
    if (Number.isNaN(longitude[i])) return -1;
    if (!row.has(lat)) row.set(lat, least(rows, (v) => Math.abs(v - lat)));
    const column = Math.round((((longitude[i] - columns[0]) % 360) + 360) % 360 / step) % columns.length;
    return row.get(lat) * columns.length + column;
  });
}

function panel([title, level, signed, note]) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  figure.append(caption, canvas);
  return { title, level, signed, note, figure, caption, canvas };
}

function draw({ canvas }, grid, point, level, colours) {
  canvas.width = WIDTH;
  canvas.height = grid.height;
  const context = canvas.getContext("2d"), picture = context.createImageData(WIDTH, grid.height);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < point.length; i++) {
    const value = point[i] < 0 ? -1 : level(point[i]);
    if (value >= 0) pixels[i] = colours[value];
  }
  context.putImageData(picture, 0, 0);
  const { half } = SHOWCASE.projection, scale = WIDTH / (2 * half[0]);
  context.strokeStyle = "#4a4f55";
  context.lineWidth = 1;
  context.beginPath();
  for (const line of SHOWCASE.coasts) {
    for (let i = 0; i < line.length; i += 2) {
      const x = (line[i] / 1000 + half[0]) * scale, y = (half[1] - line[i + 1] / 1000) * scale;
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    }
  }
  context.stroke();
}

// Title, levels of a frame's points, whether their colours are those of errors, and small print; two panels a column.
const mean = (k) => ({ truth, errors, own }) => (i) => {
  if (truth[i] === MISSING || errors[k][i] === MISSING) return MISSING;
  const error = ((2 * errors[k][i]) / MOST - 1) * own.bounds[k];
  return Math.max(0, Math.min(MOST, Math.round(truth[i] + (error / (own.range[1] - own.range[0])) * MOST)));
};
const error = (k) => ({ errors }) => (i) => errors[k][i];
const rmse = (k) => ({ frame, units }) => (frame.rmse[k] === null ? "" : `RMSE ${frame.rmse[k]}${units}`);
const bound = (k) => ({ own, units }) => `±${own.bounds[k]}${units}`;
const PANELS = [
  ["Truth", ({ truth }) => (i) => truth[i], false, ({ own, units }) => `${own.range.join(" to ")}${units}`],
  ["Observed", ({ truth, mask }) => (i) => (mask[i] ? truth[i] : -1), false, ({ mask }) => (mask.some((one) => one) ? "where it is observed, without noise" : "not observed")],
  [SHOWCASE.method, mean(0), false, rmse(0)],
  [`Error of ${SHOWCASE.method}`, error(0), true, bound(0)],
  ["Free ensemble", mean(1), false, rmse(1)],
  ["Error of the free ensemble", error(1), true, bound(1)],
];

function player(place) {
  const grid = places(), point = nearest(grid);
  const panels = PANELS.map(panel);
  const [a, cell] = control("select", "variable");
  SHOWCASE.cells.forEach((own, i) => cell.append(new Option(own.title, i)));
  const [b, day] = control("input", "day");
  Object.assign(day, { type: "range", min: 0, step: 1, value: 0 });
  const said = document.createElement("output");
  const play = document.createElement("button");
  play.type = "button";
  play.textContent = "play";
  const frames = document.createElement("div");
  frames.className = "maps";
  frames.append(...panels.map((own) => own.figure));
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(a, b, said, play);
  let timer = 0;

  function show() {
    const own = SHOWCASE.cells[cell.value];
    day.max = own.frames.length - 1;
    const frame = own.frames[Math.min(day.value, day.max)];
    const units = own.units ? ` ${own.units}` : "";
    const about = { own, frame, units, truth: bytes(frame.truth), errors: frame.errors.map(bytes), mask: bytes(own.observed) };
    const [values, signed] = own.colours.map(lookup);
    for (const one of panels) {
      draw(one, grid, point, one.level(about), one.signed ? signed : values);
      const small = document.createElement("small");
      small.textContent = one.note(about);
      one.caption.replaceChildren(one.title, small);
      one.canvas.setAttribute("aria-label", `${one.title}: ${own.title}, day ${frame.day}, ${small.textContent}`);
    }
    said.textContent = frame.day;
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "play";
  }
  cell.addEventListener("change", show);
  day.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "stop";
    timer = setInterval(() => {
      day.value = (Number(day.value) + 1) % (Number(day.max) + 1);
      show();
    }, 900);
  });
  place.prepend(tools, frames);
  show();
}

document.querySelectorAll(".showcase").forEach(player);
