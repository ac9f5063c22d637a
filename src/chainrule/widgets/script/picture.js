// The picture: numbers filled into the SVG that Python drew, classes set on it, values on their way.

import { cellName, columnsOf, entry, extent, isNumber } from "./arrays.js";
import { calm, label, plain, scaled, vector } from "./parts.js";
import { summed } from "./run.js";
import { display, exact, fit } from "./numbers.js";

const NUMBER_ROOM = 7; // as in chainrule/layout.py
const CLOSE = 7; // pixels between two numbers of a grid; DIGIT is the width of one of their digits
const DIGIT = 8.4;
const HEAT_LEVELS = 6;
const HEAT_CELLS = 24;
const LONG = 10; // with its sign, letters of a word that has no room in the middle of a wire, or beside a piece

/** One drawn figure of a run: `show(now)` brings it to a step. */
export class Picture {
  constructor(svg, run) {
    const by = (selector, attribute) =>
      new Map([...svg.querySelectorAll(selector)].map((found) => [found.getAttribute(attribute), found]));
    this.svg = svg;
    this.run = run;
    this.variables = [...svg.querySelectorAll(".variable")].map((group) => ({
      i: Number(group.dataset.index),
      group,
      value: group.querySelector(".value"),
      gradient: group.querySelector(".gradient"),
      kept: group.querySelector("g.kept"),
      keptName: group.querySelector(".kept-name"),
      terms: group.querySelector(".terms"),
      total: group.querySelector(".total"),
    }));
    this.nodes = by(".node", "data-node");
    this.wires = [by(".edges [data-wire]", "data-wire"), by(".backs [data-wire]", "data-wire")];
    this.edges = [by(".edges [data-edge]", "data-edge"), by(".backs [data-edge]", "data-edge")];
    this.pieces = by("[data-piece]", "data-piece");
    this.travelling = null;
  }

  node(index) {
    return this.nodes.get(String(index));
  }

  show(now) {
    const { run } = this;
    const active = now ? run.trace.steps[now - 1] : null;
    const back = active?.phase === "backward";
    for (const { i, value, gradient, kept, keptName, terms, total } of this.variables) {
      const valued = run.valuedAt[i] <= now;
      fillIn(value, run.values[i], valued);
      if (kept) {
        fillIn(kept, run.kept[i], valued);
        keptName.classList.toggle("hidden", !valued);
      }
      const got = run.gradient(i, now);
      if (gradient) fillIn(gradient, got, got !== undefined);
      if (terms) {
        const [told, sum] = sumWords(run.received(i, now), got, terms.dataset.entry);
        setText(terms, told);
        if (total) setText(total, sum);
        terms.closest(".pieces").classList.toggle("hidden", !told);
      }
      later(this.wires[0].get(`${i}`), !valued);
      later(this.wires[1].get(`${i}`), got === undefined);
    }
    run.trace.variables.forEach((variable, j) => {
      if (!variable.inputs.length) return;
      const runs = active !== null && active.variable === j && !active.seed;
      variable.inputs.forEach((i, port) => {
        const [edge, backEdge] = this.edges.map((edges) => edges.get(`${j}.${port}`));
        later(edge, run.valuedAt[j] > now);
        later(backEdge, run.returnedAt[j] > now);
        edge?.classList.toggle("now", runs && !back);
        backEdge?.classList.toggle("now", runs && back);
        const piece = this.pieces.get(`${j}.${port}`);
        piece?.classList.toggle("hidden", run.returnedAt[j] > now);
        if (piece && run.returnedAt[j] <= now) setText(piece, fit(entry(run.contributions[run.returnedAt[j] - 1][port], this.variables[i].terms.dataset.entry ?? 0), NUMBER_ROOM));
      });
      const node = this.node(j);
      later(node, run.valuedAt[j] > now);
      node.classList.toggle("now", active !== null && active.variable === j);
      node.classList.toggle("back", active !== null && active.variable === j && back);
    });
  }

  /** Tell the pieces of a fork's gradient at another entry of the array. */
  tellPieces(i, flat, now) {
    const told = this.variables[i].terms?.dataset;
    if (!told?.entry || told.entry === `${flat}`) return;
    told.entry = flat;
    this.show(now);
  }

  /** At each edge into the node that runs backward, its local derivative: what comes from above is multiplied by it. */
  locals(now) {
    for (const old of this.svg.querySelectorAll(".local")) old.remove();
    const step = this.run.trace.steps[now - 1];
    if (!step || step.phase === "forward" || step.seed) return;
    const { variable } = step;
    this.run.trace.variables[variable].inputs.forEach((i, port) => {
      const local = this.run.contributions[now - 1][port] == null ? null : this.run.local(now, port);
      if (local !== null && !this.run.trace.variables[i].constant) this.label(`${variable}.${port}`, local);
    });
  }

  /** Write "× local" of an edge where Python says; beside a piece of a fork it is "(× local)". */
  label(edge, local) {
    const path = this.edges[0].get(edge);
    if (!path?.dataset.word) return;
    const [x, y, anchor] = path.dataset.word.split(" ");
    const piece = this.pieces.get(edge);
    const single = isNumber(local);
    const factor = single ? fit(local, NUMBER_ROOM) : local.replace(/[^\W\d]\w*\./g, ""); // W of Affine.W
    const product = scaled(factor);
    const room = { start: Infinity, end: piece ? LONG - 1 : 16 }[anchor] ?? LONG;
    const words = /[@Σᵀ]|reshape/.test(local) ? factor : single || product.length < room ? product : label("slope");
    const said = piece?.matches(":not(.hidden)") ? `(${words})` : words;
    this.svg.append(vector("text", { class: "local", "data-exact": local, x, y, "text-anchor": anchor }, said));
  }

  /** What a nudge has done to a variable, in the place of its gradient. */
  nudge(i, words) {
    const { value, gradient } = this.variables[i];
    const { x, y, width } = (gradient ?? value).getBBox();
    for (const old of this.svg.querySelectorAll(`.delta[data-of="${i}"]`)) old.remove();
    const text = vector("text", { class: "delta value", "data-of": i, y: y + (gradient ? 15 : 40), "font-size": 13 }, words);
    this.svg.append(text);
    const [left, , wide] = this.svg.getAttribute("viewBox").split(" ").map(Number);
    const half = text.getComputedTextLength() / 2 + 2; // whole, at the end of the picture
    text.setAttribute("x", Math.max(left + half, Math.min(x + width / 2, left + wide - half)));
  }

  /** Light the edge on which a nudge travels, with what multiplies it there. */
  lit(j, port, local) {
    this.edges[0].get(`${j}.${port}`)?.classList.add("now");
    this.node(j).classList.add("now");
    if (local !== null) this.label(`${j}.${port}`, local);
  }

  unlit() {
    for (const part of this.svg.querySelectorAll(".now")) part.classList.remove("now");
  }

  unnudge() {
    this.unlit();
    for (const old of this.svg.querySelectorAll(".delta, .local")) old.remove();
  }

  /** Put a question mark where a number is asked for, beside what has come there already; null takes it away. */
  mark(place) {
    this.svg.querySelector(".asked")?.remove();
    const group = place && this.variables[place.i][place.kind];
    if (!group) return;
    const cells = group.querySelectorAll("[data-cell]");
    const { x, y, width, height } = (cells[place.flat] ?? group).getBBox();
    const more = !cells.length && !group.classList.contains("hidden");
    this.svg.append(vector("text", { class: `asked ${place.kind}`, x: more ? x + width + 16 : x + width / 2, y: y + height / 2, dy: "0.35em", "font-weight": 700 }, more ? "+ ?" : "?"));
  }

  /** Send the numbers of step `now` along its edges, in `time` milliseconds. */
  travel(now, time) {
    this.arrive();
    const step = this.run.trace.steps[now - 1];
    if (!step || step.seed || calm() || !this.svg.isConnected) return;
    const back = step.phase === "backward";
    const { inputs } = this.run.trace.variables[step.variable];
    const carried = inputs.map((i, port) => (back ? this.run.contributions[now - 1][port] : this.run.values[i]));
    const tokens = inputs
      .map((_, port) => [this.edges[back ? 1 : 0].get(`${step.variable}.${port}`), carried[port]])
      .filter(([path, number]) => path && number != null)
      .map(([path, number]) => ({ line: lineOf(path), token: tokenOf(number, back) }));
    this.svg.append(...tokens.map(({ token }) => token));
    const begun = performance.now();
    const frame = (time_now) => {
      const share = Math.min(1, Math.max(0, (time_now - begun) / time));
      const eased = share * share * (3 - 2 * share);
      for (const { line, token } of tokens) {
        const at = line.getPointAtLength(line.getTotalLength() * (back ? 1 - eased : eased));
        token.setAttribute("transform", `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`);
      }
      if (share < 1) this.travelling.frame = requestAnimationFrame(frame);
      else this.arrive();
    };
    this.travelling = { tokens, frame: 0 };
    frame(begun);
  }

  /** End what travels. */
  arrive() {
    if (!this.travelling) return;
    cancelAnimationFrame(this.travelling.frame);
    for (const { token } of this.travelling.tokens) token.remove();
    this.travelling = null;
  }
}

/** "6 + 5 = ", before the sum, of the gradients that came back to a fork; of arrays "[1]: 6 + 5" and " = 11", or their number. */
function sumWords(got, total, flat) {
  if (got.length < 2) return ["", ""];
  const single = isNumber(total);
  if (!single && flat === undefined) return [label("pieces", { count: got.length }), ""];
  const terms = plain(summed(got.map((one) => entry(one, flat))));
  return single ? [`${terms} = `] : [`${cellName(total, flat)}: ${terms}`, ` = ${display(entry(total, flat))}`];
}

/** The way of an edge without its arrowhead. It is in no document, so that to measure it lays nothing out anew. */
const lineOf = (path) => vector("path", { d: path.getAttribute("d").split("m")[0] });

function later(part, hide) {
  if (part) part.classList.toggle("later", hide);
}

function tokenOf(number, back) {
  const kind = back ? "gradient" : "value";
  const token = vector("g", { class: `token ${kind}`, "aria-hidden": "true" });
  if (isNumber(number)) token.append(vector("text", { y: -7, "text-anchor": "middle" }, fit(number, NUMBER_ROOM)));
  token.append(vector("circle", { r: 5 }));
  return token;
}

/** Fill a drawn number, grid or summary anew, or hide it. */
function fillIn(place, value, known) {
  place.classList.toggle("hidden", !known);
  if (!known) return;
  const precise = exact(value);
  if (place.dataset.exact === precise) return;
  place.dataset.exact = precise;
  if (isNumber(value)) setText(place, fit(value, NUMBER_ROOM), NUMBER_ROOM);
  else if (place.dataset.box) fillGrid(place, value);
  else if (place.querySelector(".heat")) summarise(place, value);
  else place.textContent = display(value);
}

function fillGrid(place, value) {
  const columns = columnsOf(value);
  for (const cell of place.querySelectorAll("[data-cell]")) {
    const [r, c] = cell.dataset.cell.split(",").map(Number);
    const wide = place.dataset.box.split(" ")[c + 2];
    setText(cell, fit(value.data[r * columns + c], place.dataset.room), (wide - CLOSE) / DIGIT);
  }
}

/** Write a number; one that is wider than its room, counted in digits, gets smaller letters. */
function setText(place, text, room = Infinity) {
  if (place.textContent === text) return;
  place.textContent = text;
  const wide = text.length + 0.2 * text.includes("−") - 0.45 * text.includes(".");
  if (wide > room) place.style.fontSize = `${Math.round((100 * room) / wide)}%`;
  else if (place.style.length) place.style.fontSize = "";
}

function summarise(place, value) {
  if (value.data.length === 0) return;
  const [low, high] = extent(value.data);
  place.querySelector("[data-line='1']").textContent = `${display(low, 2)} … ${display(high, 2)}`;
  heat(value).forEach((path, k) => place.querySelector(`[data-level="${k}"]`).setAttribute("d", path));
}

/** One path of unit squares a level of grey: the same as `heat` in chainrule/drawing.py. */
export function heat(value) {
  const width = columnsOf(value);
  const height = Math.floor(value.data.length / Math.max(width, 1));
  const [rows, columns] = [height, width].map((size) => Math.max(1, Math.min(size, HEAT_CELLS)));
  const sums = new Array(rows * columns).fill(0);
  const counts = new Array(rows * columns).fill(0);
  value.data.forEach((entry, k) => {
    const r = Math.floor((Math.floor(k / width) * rows) / height);
    const at = r * columns + Math.floor(((k % width) * columns) / width);
    sums[at] += entry;
    counts[at] += 1;
  });
  const means = sums.map((sum, k) => sum / Math.max(counts[k], 1));
  const finite = means.filter(Number.isFinite);
  const [low, high] = finite.length ? extent(finite) : [0, 0];
  const paths = new Array(HEAT_LEVELS).fill("");
  means.forEach((mean, k) => {
    const share = high > low && Number.isFinite(mean) ? (mean - low) / (high - low) : Number(mean > high);
    const level = Math.floor(Math.min(share * HEAT_LEVELS, HEAT_LEVELS - 1));
    paths[level] += `M${k % columns} ${Math.floor(k / columns)}h1v1h-1z`;
  });
  return paths;
}
