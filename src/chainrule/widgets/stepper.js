// The stepper's script: one module, used as it stands by the built pages (hydrate) and by notebooks
// (render, through anywidget). Python has drawn the figure and written every template; what happens
// here is that texts are filled in and classes set. Nothing is laid out.
//
// In order: numbers, arrays, operations, a run, its words, the figure.

// ---------------------------------------------------------------- numbers

/** A number as the reader sees it; the same rule as `display` in chainrule/narration.py. */
export function display(value, digits = 4) {
  if (typeof value !== "number") return shapeText(value);
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  const exponent = Number(size.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 6) return sign + trim(size.toFixed(Math.max(0, digits - 1 - exponent)));
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  return `${sign}${trim(mantissa)}e${power.replace("+", "").replace("-", "−")}`;
}

function trim(digits) {
  return digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
}

/** The number that a reader typed, or null: a decimal point or comma, and any minus sign. */
export function parseNumber(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain))
    ? Number(plain)
    : null;
}

const SPECIAL = { NaN, Infinity, "-Infinity": -Infinity };

/** Undo `encode` of chainrule/trace.py: a number, or {shape, data} for an array with axes. */
export function decode(value) {
  if (value === null || typeof value === "number") return value;
  if ("float" in value) return SPECIAL[value.float];
  const data = value.data.map(decode);
  return value.shape.length === 0 ? data[0] : { shape: value.shape, data };
}

/** The full-precision number, or nested lists of them, as JSON text. */
export function exact(value) {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  const nest = (shape, data) => {
    if (shape.length === 0) return exact(data[0]);
    const size = data.length / shape[0];
    const rows = Array.from({ length: shape[0] }, (_, k) =>
      nest(shape.slice(1), data.slice(k * size, (k + 1) * size)),
    );
    return `[${rows.join(",")}]`;
  };
  return nest(value.shape, value.data);
}

// ---------------------------------------------------------------- arrays
// A value is a number, or {shape, data} with the entries in C order, as NumPy has them.

const shapeOf = (value) => (typeof value === "number" ? [] : value.shape);
const entries = (value) => (typeof value === "number" ? [value] : value.data);
const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);
const some = (value, test) => entries(value).some(test);

function shapeText(value) {
  const shape = shapeOf(value);
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

function broadcast(a, b) {
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, k) => {
    const [m, n] = [a[k + a.length - length] ?? 1, b[k + b.length - length] ?? 1];
    if (m !== n && m !== 1 && n !== 1) throw new Error("the shapes do not broadcast");
    return m === 1 ? n : m;
  });
}

/** For each entry of an array of `shape`, the position of the entry of `inner` that it came from. */
function sources(inner, shape) {
  const strides = shape.map(() => 0);
  let stride = 1;
  for (let k = inner.length - 1; k >= 0; k -= 1) {
    strides[k + shape.length - inner.length] = inner[k] === 1 ? 0 : stride;
    stride *= inner[k];
  }
  const index = shape.map(() => 0);
  let at = 0;
  return Array.from({ length: sizeOf(shape) }, () => {
    const here = at;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis] += 1;
      at += strides[axis];
      if (index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
    return here;
  });
}

function map(f, x) {
  return typeof x === "number" ? f(x) : { shape: x.shape, data: x.data.map(f) };
}

function map2(f, x, y) {
  if (typeof x === "number" && typeof y === "number") return f(x, y);
  const shape = broadcast(shapeOf(x), shapeOf(y));
  const [a, b] = [stretch(x, shape).data, stretch(y, shape).data];
  return { shape, data: a.map((entry, k) => f(entry, b[k])) };
}

function stretch(x, shape) {
  const data = entries(x);
  if (shapeOf(x).length === shape.length && shapeOf(x).every((n, k) => n === shape[k])) {
    return { shape, data };
  }
  return { shape, data: sources(shapeOf(x), shape).map((from) => data[from]) };
}

/** Undo broadcasting: sum a gradient to the shape of its input. */
function sumTo(gradient, like) {
  if (typeof gradient === "number" && typeof like === "number") return gradient;
  const shape = shapeOf(like);
  const data = new Array(sizeOf(shape)).fill(0);
  const given = entries(gradient);
  sources(shape, shapeOf(gradient)).forEach((to, k) => (data[to] += given[k]));
  return typeof like === "number" ? data[0] : { shape, data };
}

const add = (x, y) => map2((a, b) => a + b, x, y);
const multiply = (x, y) => map2((a, b) => a * b, x, y);
const divide = (x, y) => map2((a, b) => a / b, x, y);
const negate = (x) => map((a) => -a, x);

function transpose(x) {
  const [rows, columns] = x.shape.slice(-2);
  const stack = x.shape.slice(0, -2);
  const data = sources([], [...stack, columns, rows]);
  const size = rows * columns;
  data.forEach((_, k) => {
    const [sheet, at] = [Math.floor(k / size) * size, k % size];
    data[k] = x.data[sheet + (at % rows) * columns + Math.floor(at / rows)];
  });
  return { shape: [...stack, columns, rows], data };
}

function product(x, y) {
  const [rows, inner] = x.shape.slice(-2);
  const columns = y.shape[y.shape.length - 1];
  const stack = broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const [a, b] = [x, y].map((v) => ({
    data: v.data,
    sheets: sources(v.shape.slice(0, -2), stack),
    size: sizeOf(v.shape.slice(-2)),
  }));
  const data = [];
  a.sheets.forEach((_, sheet) => {
    const [p, q] = [a.sheets[sheet] * a.size, b.sheets[sheet] * b.size];
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        let total = 0;
        for (let k = 0; k < inner; k += 1) total += a.data[p + i * inner + k] * b.data[q + k * columns + j];
        data.push(total);
      }
    }
  });
  return { shape: [...stack, rows, columns], data };
}

const reshape = (x, shape) => ({ shape, data: entries(x) });
const asRow = (x) => (x.shape.length > 1 ? x : reshape(x, [1, ...x.shape]));
const asColumn = (y) => (y.shape.length > 1 ? y : reshape(y, [...y.shape, 1]));

/** The shape of a sum over `axis` with the summed axes kept as 1. */
function kept(shape, axis) {
  const axes = axis === null || axis === undefined ? shape.map((_, k) => k) : [axis].flat();
  const summed = new Set(axes.map((k) => (k < 0 ? k + shape.length : k)));
  return shape.map((n, k) => (summed.has(k) ? 1 : n));
}

// ---------------------------------------------------------------- operations
// The mirror of chainrule/nodes.py, and of nothing else. backward(dout, inputs, output, options)
// gives one gradient an input; `run` sums each to its input's shape.

function power(base, exponent) {
  return map2((a, b) => a ** b, base, exponent);
}

function powerInputs([x, y], options) {
  return [x, y === undefined ? options.exponent : y];
}

export const OPERATIONS = {
  Add: { forward: ([x, y]) => add(x, y), backward: (dout) => [dout, dout] },
  Subtract: { forward: ([x, y]) => add(x, negate(y)), backward: (dout) => [dout, negate(dout)] },
  Multiply: {
    forward: ([x, y]) => multiply(x, y),
    backward: (dout, [x, y]) => [multiply(dout, y), multiply(dout, x)],
  },
  Divide: {
    forward([x, y]) {
      if (some(y, (n) => n === 0)) throw new Error("Divide: cannot divide by 0");
      return divide(x, y);
    },
    backward: (dout, [x, y]) => [divide(dout, y), divide(divide(multiply(negate(dout), x), y), y)],
  },
  Negate: { forward: ([x]) => negate(x), backward: (dout) => [negate(dout)] },
  Power: {
    forward(inputs, options) {
      const [x, y] = powerInputs(inputs, options);
      if (inputs.length === 2 && some(x, (n) => n <= 0)) {
        throw new Error("Power: an exponent that is a variable wants a positive base");
      }
      if (some(x, (n) => n < 0) && some(y, (n) => n !== Math.floor(n))) {
        throw new Error(`Power: a negative base has no real power ${display(y)}`);
      }
      if (some(x, (n) => n === 0) && some(y, (n) => n < 0)) {
        throw new Error(`Power: 0 has no power ${display(y)}`);
      }
      return power(x, y);
    },
    backward(dout, inputs, z, options) {
      const [x, y] = powerInputs(inputs, options);
      const less = map((n) => n - 1 + (n === 0 ? 1 : 0), y);
      const dx = multiply(dout, multiply(y, power(x, less)));
      return inputs.length === 1 ? [dx] : [dx, multiply(multiply(dout, z), map(Math.log, x))];
    },
  },
  Exp: { forward: ([x]) => map(Math.exp, x), backward: (dout, _, z) => [multiply(dout, z)] },
  Log: {
    forward([x]) {
      const bad = entries(x).find((n) => n <= 0);
      if (bad !== undefined) throw new Error(`Log wants positive numbers, got ${display(bad)}`);
      return map(Math.log, x);
    },
    backward: (dout, [x]) => [divide(dout, x)],
  },
  Maximum: {
    forward: ([x, y]) => map2((a, b) => (a > b || Number.isNaN(a) ? a : b), x, y),
    backward: (dout, [x, y]) => [
      multiply(dout, map2((a, b) => Number(a > b), x, y)),
      multiply(dout, map2((a, b) => Number(a <= b), x, y)),
    ],
  },
  MatMul: {
    forward([x, y]) {
      const z = product(asRow(x), asColumn(y));
      const shape = z.shape.filter(
        (_, k) => !(x.shape.length === 1 && k === z.shape.length - 2) && !(y.shape.length === 1 && k === z.shape.length - 1),
      );
      return shape.length ? reshape(z, shape) : z.data[0];
    },
    backward(dout, [x, y]) {
      const [a, b] = [asRow(x), asColumn(y)];
      const stack = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
      const g = reshape(dout, [...stack, a.shape[a.shape.length - 2], b.shape[b.shape.length - 1]]);
      const [dx, dy] = [product(g, transpose(b)), product(transpose(a), g)];
      return [squeeze(dx, x, -2), squeeze(dy, y, -1)];
    },
  },
  Sum: {
    forward([x], { axis, keepdims }) {
      if (typeof x === "number") return x;
      const total = sumTo(x, { shape: kept(x.shape, axis) });
      if (keepdims) return total;
      const shape = x.shape.filter((_, k) => kept(x.shape.map(() => 2), axis)[k] !== 1);
      return shape.length ? reshape(total, shape) : total.data[0];
    },
    backward(dout, [x], _, { axis }) {
      return [typeof x === "number" ? dout : stretch(reshape(dout, kept(x.shape, axis)), x.shape)];
    },
  },
};

/** Drop the axis that a vector was given, so that its gradient is a vector again. */
function squeeze(gradient, like, axis) {
  if (like.shape.length > 1) return gradient;
  const shape = gradient.shape.filter((_, k) => k !== gradient.shape.length + axis);
  return reshape(gradient, shape);
}

// ---------------------------------------------------------------- a run

/** Compute the whole run anew from its leaves: { values, contributions }. Throws in words. */
export function compute(trace, leaves) {
  const values = [];
  trace.variables.forEach((variable, i) => {
    const inputs = variable.inputs.map((k) => values[k]);
    values.push(variable.op ? OPERATIONS[variable.op].forward(inputs, variable.options) : leaves[i]);
  });
  const gradients = values.map((value) => map(() => 0, value));
  const contributions = trace.steps.map((step) => {
    if (step.phase === "forward") return [];
    const { op, inputs, options } = trace.variables[step.variable];
    if (step.seed) {
      gradients[step.variable] = step.contributions[0];
      return step.contributions;
    }
    const given = inputs.map((k) => values[k]);
    const handed = OPERATIONS[op]
      .backward(gradients[step.variable], given, values[step.variable], options)
      .map((gradient, k) => sumTo(gradient, given[k]));
    handed.forEach((gradient, k) => (gradients[inputs[k]] = add(gradients[inputs[k]], gradient)));
    return handed;
  });
  return { values, contributions };
}

/** Everything the figure asks about a run. Its numbers may change; its shape may not. */
export class Run {
  constructor(data) {
    this.words = data.words;
    this.trace = {
      ...data.trace,
      variables: data.trace.variables.map((v) => ({ ...v, value: decode(v.value) })),
      steps: data.trace.steps.map((s) => ({ ...s, contributions: s.contributions.map(decode) })),
    };
    const { variables, steps } = this.trace;
    this.last = steps.length;
    this.turn = steps.filter((step) => step.phase === "forward").length;
    this.valuedAt = variables.map((v) => (v.op ? Infinity : 0));
    this.returnedAt = variables.map(() => Infinity);
    steps.forEach((step, k) => {
      if (step.phase === "forward") this.valuedAt[step.variable] = k + 1;
      else if (!step.seed) this.returnedAt[step.variable] = k + 1;
    });
    this.recomputable = variables.every((v) => !v.op || v.op in OPERATIONS);
    this.recorded = { values: variables.map((v) => v.value), contributions: steps.map((s) => s.contributions) };
    Object.assign(this, this.recorded);
  }

  /** Change leaves, { index: value }; the old numbers stay if the new ones make no sense. */
  change(leaves) {
    Object.assign(this, compute(this.trace, this.values.map((value, i) => leaves[i] ?? value)));
  }

  receivers(step) {
    return step.seed ? [step.variable] : this.trace.variables[step.variable].inputs;
  }

  /** The gradients that a variable has got by the end of step `now`, one a use. */
  received(variable, now) {
    const got = [];
    for (let k = this.turn; k < now; k += 1) {
      this.receivers(this.trace.steps[k]).forEach((to, j) => {
        const given = this.contributions[k][j];
        if (to === variable && given !== null && given !== undefined) got.push(given);
      });
    }
    return got;
  }

  /** All gradients as they stand after step `now`: a Map from variable to its sum so far. */
  gradients(now) {
    const sums = new Map();
    for (let k = this.turn; k < now; k += 1) {
      this.receivers(this.trace.steps[k]).forEach((to, j) => {
        const given = this.contributions[k][j];
        if (given !== null && given !== undefined) sums.set(to, sums.has(to) ? add(sums.get(to), given) : given);
      });
    }
    return sums;
  }

  // ---- its words: the same sentences as `Trace.title_and_parts` in chainrule/trace.py

  slots(now) {
    const step = this.trace.steps[now - 1];
    const out = this.trace.variables[step.variable];
    const number = (value) => ["value", display(value)];
    const shape = (value) => ["", typeof value === "number" ? "number" : shapeText(value)];
    const slots = { op: ["", out.op], p: number(out.options.exponent ?? 0) };
    out.inputs.forEach((i, k) => {
      const { name, constant } = this.trace.variables[i];
      const letter = "xybcdefghijklmnopqrstuvw"[k];
      slots[letter] = number(this.values[i]);
      slots[`${letter}.name`] = ["", constant ? display(this.values[i]) : name];
      slots[`${letter}.shape`] = shape(this.values[i]);
    });
    if (out.op === "Power" && out.inputs.length === 2) slots.p = slots.y;
    const value = this.values[step.variable];
    Object.assign(slots, { z: number(value), "z.name": ["", out.name], "z.shape": shape(value) });
    if (step.phase === "backward") {
      const [dout] = this.received(step.variable, now).length
        ? [this.gradients(now).get(step.variable)]
        : [0];
      slots.dout = ["gradient", display(dout)];
      ["dx", "dy"].forEach((name, k) => {
        const given = this.contributions[now - 1][k];
        slots[name] = ["gradient", given === null || given === undefined ? "nothing" : display(given)];
      });
    }
    return slots;
  }

  /** [title, parts] of step `now`; parts are [kind, text], kind "value", "gradient" or "". */
  sentence(now) {
    const { variables, steps } = this.trace;
    if (now === 0) {
      const [title, text] = this.words.start.forward;
      return [title, fill(text, { "z.name": ["", variables[variables.length - 1].name] })];
    }
    const step = steps[now - 1];
    const slots = this.slots(now);
    if (step.seed) return [this.words.seed.backward[0], fill(this.words.seed.backward[1], slots)];
    const { op, inputs } = variables[step.variable];
    const words = this.words[op] ?? this.words.other;
    const title = fill(words[step.phase][0], slots).map(([, text]) => text).join("");
    const parts = fill(words[step.phase][1], slots);
    if (step.phase === "forward") return [title, parts];
    const said = words.to
      .slice(0, inputs.length)
      .filter((_, k) => !variables[inputs[k]].constant)
      .flatMap((phrase) => [["", ", "], ...fill(phrase, slots)])
      .slice(1);
    return [title, [...parts, ["", " "], ...said, ["", "."], ...this.forks(now, inputs)]];
  }

  forks(now, inputs) {
    return [...new Set(inputs)].flatMap((i) => {
      const terms = this.received(i, now);
      if (terms.length < 2 || this.trace.variables[i].constant) return [];
      const slots = {
        "x.name": ["", this.trace.variables[i].name],
        terms: ["gradient", terms.map((term) => display(term)).join(" + ")],
        dx: ["gradient", display(terms.reduce(add))],
      };
      return [["", " "], ...fill(this.words.fork.backward[1], slots)];
    });
  }
}

/** A template as [kind, text] parts; a slot is {x} or {x.name}. */
function fill(template, slots) {
  return template
    .split(/(\{[a-z]+(?:\.[a-z]+)?\})/)
    .map((part, k) => (k % 2 ? slots[part.slice(1, -1)] : ["", part]))
    .filter(([, text]) => text !== "");
}

// ---------------------------------------------------------------- the figure

const PAUSE = 1100; // milliseconds between the steps of Play

const ICONS = {
  First: "M6 5v14M19 5l-9 7 9 7z",
  Back: "M16 5l-9 7 9 7z",
  Play: "M8 5l10 7-10 7z",
  Pause: "M8 5v14M16 5v14",
  Forward: "M8 5l9 7-9 7z",
  Last: "M18 5v14M5 5l9 7-9 7z",
};

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, act, ...content) {
  const made = element("button", { type: "button", "aria-label": name, title: name }, ...content);
  made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && act());
  return made;
}

const setDisabled = (made, disabled) => made.setAttribute("aria-disabled", String(disabled));

/** Write a sentence into an element: the numbers wear their colours, all else is text. */
function say(place, [title, parts]) {
  const spans = parts.map(([kind, text]) => (kind ? element("span", { class: kind }, text) : text));
  place.replaceChildren(element("strong", {}, title), " ", ...spans);
}

/** Make one served figure live. `onStep` hears of every change of step. */
export function mount(figure, { step = 0, onStep = () => {} } = {}) {
  const data = JSON.parse(figure.querySelector("script.chainrule-trace").textContent);
  const run = new Run(data);
  const { last, turn } = run;
  const scroll = figure.querySelector(".chainrule-scroll");
  const sentence = figure.querySelector(".chainrule-sentence");
  const rows = [...figure.querySelectorAll(".chainrule-table tr[data-row]")];
  const picture = collect(figure, run);
  let now = 0;
  let timer = null;

  const buttons = {
    First: button("First", () => move(0), icon("First")),
    Back: button("Back", () => move(now - 1), icon("Back")),
    Play: button("Play", () => (timer === null ? play() : pause()), icon("Play")),
    Forward: button("Forward", () => move(now + 1), icon("Forward")),
    Last: button("Last", () => move(last), icon("Last")),
  };
  buttons.Play.classList.add("chainrule-play");
  const scrubber = element("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": "Step" });
  scrubber.style.setProperty("--turn", `${(100 * turn) / last}%`);
  scrubber.addEventListener("input", () => move(Number(scrubber.value)));
  const counter = element("span", { class: "chainrule-counter" });
  const controls = element(
    "div",
    { class: "chainrule-controls", role: "group", "aria-label": "Step through the calculation" },
    ...Object.values(buttons),
    scrubber,
    counter,
  );
  const rule = element("p", { class: "chainrule-rule" });
  const code = element("pre", { class: "chainrule-code", tabindex: "0", role: "group", "aria-label": "The source that ran" });
  const sources = Object.values(run.trace.code).flatMap((ways) => [ways.forward, ways.backward]);
  code.style.setProperty("--lines", Math.max(1, ...sources.map((source) => source.lines.length)));
  scroll.after(controls);
  sentence.after(rule, code);
  scroll.setAttribute("tabindex", "0");
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", `${figure.getAttribute("aria-label")}, picture`);
  const whatIf = data.open.length && run.recomputable ? changes(run, data.open, refresh) : null;
  if (whatIf) rule.after(whatIf);
  figure.classList.add("chainrule-live");

  function pause() {
    clearInterval(timer);
    timer = null;
    showPlay();
  }

  function play() {
    if (now === last) show(0);
    timer = setInterval(() => {
      show(now + 1);
      if (now === last || now === turn) pause(); // a rest at the turn, before the way back
    }, PAUSE);
    showPlay();
  }

  function showPlay() {
    const name = timer === null ? "Play" : "Pause";
    buttons.Play.setAttribute("aria-label", name);
    buttons.Play.title = name;
    buttons.Play.replaceChildren(icon(name));
  }

  function move(to) {
    pause();
    show(to);
  }

  /** After a change of numbers: the table, then the step that is shown. */
  function refresh() {
    rows.forEach((row, k) => say(row.lastElementChild, run.sentence(k + 1)));
    show(now, false);
  }

  function show(to, tell = true) {
    now = Math.min(last, Math.max(0, to));
    figure.dataset.step = now;
    figure.dataset.phase = phaseAt(now);
    picture.show(now);
    const row = rows[now - 1];
    rows.forEach((each) => each.classList.toggle("now", each === row));
    say(sentence, run.sentence(now));
    rule.textContent = row ? row.dataset.rule : data.words.start.rule[0];
    showCode(code, run.trace, now);
    scrubber.value = now;
    counter.textContent = `${phaseAt(now)} · ${now} of ${last}`;
    scrubber.setAttribute("aria-valuetext", counter.textContent);
    for (const name of ["First", "Back"]) setDisabled(buttons[name], now === 0);
    for (const name of ["Forward", "Last"]) setDisabled(buttons[name], now === last);
    if (now > 0) follow(scroll, picture.nodes.get(run.trace.steps[now - 1].variable));
    if (tell) onStep(now);
  }

  function phaseAt(at) {
    return at === 0 ? "start" : run.trace.steps[at - 1].phase;
  }

  const keys = {
    ArrowRight: () => move(now + 1),
    ArrowLeft: () => move(now - 1),
    Home: () => move(0),
    End: () => move(last),
    " ": () => (timer === null ? play() : pause()),
  };
  function onKey(event) {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const own = event.target.closest("button, summary, input, pre");
    const theirs = own && own !== scrubber && (event.key === " " || own.matches("input, pre"));
    if (theirs) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    act();
  }
  figure.addEventListener("keydown", onKey);
  show(step, false);

  return {
    go: (to) => to !== now && show(to, false),
    destroy: () => {
      pause();
      figure.removeEventListener("keydown", onKey);
    },
  };
}

/** The inputs that the reader may change, with undo and reset; `refresh` follows every change. */
function changes(run, open, refresh) {
  const index = new Map(run.trace.variables.map((variable, i) => [variable.name, i]));
  const first = new Map(open.map((name) => [name, run.values[index.get(name)]]));
  const past = []; // [name, value before] of each change, for undo
  const message = element("p", { class: "chainrule-message", role: "alert" });
  const fields = new Map();

  function write(name) {
    const field = fields.get(name);
    field.value = display(run.values[index.get(name)]);
    field.removeAttribute("aria-invalid");
  }

  function set(name, value, remember = true) {
    const before = run.values[index.get(name)];
    if (value === before) return;
    try {
      run.change({ [index.get(name)]: value });
    } catch (error) {
      refuse(name, error.message);
      return;
    }
    if (remember) past.push([name, before]);
    message.textContent = "";
    setDisabled(undo, past.length === 0);
    setDisabled(reset, open.every((each) => run.values[index.get(each)] === first.get(each)));
    refresh();
  }

  function refuse(name, why) {
    fields.get(name).setAttribute("aria-invalid", "true");
    message.textContent = `${why}. ${name} stays ${display(run.values[index.get(name)])}.`;
  }

  function take(name) {
    const field = fields.get(name);
    const shown = run.values[index.get(name)];
    if (field.value === display(shown)) return;
    const value = parseNumber(field.value);
    if (value === null) refuse(name, `“${field.value}” is not a number`);
    else {
      field.removeAttribute("aria-invalid");
      set(name, value);
    }
  }

  function nudge(name, ways) {
    const value = run.values[index.get(name)];
    const grain = 10 ** Math.floor(Math.log10(Math.max(Math.abs(value), 0.1)) - 0.3) ;
    set(name, Number((value + ways * grain).toPrecision(12)));
    write(name);
  }

  const undo = button("Undo", () => {
    const [name, value] = past.pop();
    set(name, value, false);
    write(name);
  }, "Undo");
  const reset = button("Reset", () => {
    for (const [name, value] of first) {
      set(name, value);
      write(name);
    }
  }, "Reset");
  setDisabled(undo, true);
  setDisabled(reset, true);

  const labels = open.map((name) => {
    const field = element("input", { name, type: "text", inputmode: "decimal", autocomplete: "off", size: 7 });
    fields.set(name, field);
    field.addEventListener("change", () => {
      take(name);
      if (!field.hasAttribute("aria-invalid")) write(name);
    });
    field.addEventListener("input", () => parseNumber(field.value) !== null && take(name));
    field.addEventListener("keydown", (event) => {
      const ways = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (!ways) return;
      event.preventDefault();
      nudge(name, ways);
    });
    return element("label", {}, element("span", {}, name), field);
  });
  open.forEach(write);
  return element(
    "div",
    { class: "chainrule-changes", role: "group", "aria-label": "Change a number" },
    ...labels,
    element("span", {}, undo, reset),
    message,
  );
}

/** The parts of the picture, found once, and a function that shows a step in them. */
function collect(figure, run) {
  const by = (selector, attribute) =>
    new Map([...figure.querySelectorAll(selector)].map((found) => [found.getAttribute(attribute), found]));
  const labels = [...figure.querySelectorAll(".variable")].map((group) => ({
    i: Number(group.dataset.index),
    value: group.querySelector(".value"),
    gradient: group.querySelector(".gradient"),
  }));
  const nodes = new Map([...by(".node", "data-node")].map(([key, node]) => [Number(key), node]));
  const wires = by(".edges .wire", "data-wire");
  const edges = by(".edges .edge", "data-edge");
  const backWires = by(".backs .wire", "data-wire");
  const backEdges = by(".backs .edge", "data-edge");
  const later = (part, hide) => part && part.classList.toggle("later", hide);

  function write(place, value, known) {
    place.classList.toggle("hidden", !known);
    if (!known) return;
    const precise = exact(value);
    if (place.dataset.exact === precise) return;
    place.dataset.exact = precise;
    if (typeof value === "number") place.textContent = display(value);
    else writeArray(place, value);
  }

  function show(now) {
    const gradients = run.gradients(now);
    const active = now ? run.trace.steps[now - 1] : null;
    for (const { i, value, gradient } of labels) {
      write(value, run.values[i], run.valuedAt[i] <= now);
      if (gradient) write(gradient, gradients.get(i), gradients.has(i));
    }
    run.trace.variables.forEach((variable, j) => {
      const [valued, returned] = [run.valuedAt[j] <= now, run.returnedAt[j] <= now];
      later(wires.get(`${j}`), !valued);
      later(backWires.get(`${j}`), !gradients.has(j));
      variable.inputs.forEach((_, port) => {
        later(edges.get(`${j}.${port}`), !valued);
        later(backEdges.get(`${j}.${port}`), !returned);
      });
      const node = nodes.get(j);
      if (!node) return;
      const runs = active !== null && active.variable === j;
      later(node, !valued);
      node.classList.toggle("now", runs);
      node.classList.toggle("back", runs && active.phase === "backward");
    });
  }
  return { nodes, show };
}

/** Fill a drawn array anew: the cells of a grid, or range and heat picture of a larger one. */
function writeArray(place, value) {
  const columns = value.shape[value.shape.length - 1];
  for (const cell of place.querySelectorAll("[data-cell]")) {
    const [r, c] = cell.dataset.cell.split(",").map(Number);
    cell.textContent = display(value.data[r * columns + c], CELL_DIGITS);
  }
  const range = place.querySelector("[data-line='1']");
  if (!range) return;
  const [low, high] = [Math.min(...value.data), Math.max(...value.data)];
  range.textContent = `${display(low, CELL_DIGITS)} … ${display(high, CELL_DIGITS)}`;
  heat(value).forEach((path, k) => place.querySelector(`[data-level="${k}"]`).setAttribute("d", path));
}

const CELL_DIGITS = 3;
const [HEAT_LEVELS, HEAT_CELLS] = [6, 24];

/** One path of unit squares a level of grey: the same as `heat` in chainrule/drawing.py. */
export function heat(value) {
  const width = value.shape[value.shape.length - 1];
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
  const [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 0];
  const paths = new Array(HEAT_LEVELS).fill("");
  means.forEach((mean, k) => {
    const share = high > low && Number.isFinite(mean) ? (mean - low) / (high - low) : Number(mean > high);
    const level = Math.floor(Math.min(share * HEAT_LEVELS, HEAT_LEVELS - 1));
    paths[level] += `M${k % columns} ${Math.floor(k / columns)}h1v1h-1z`;
  });
  return paths;
}

function showCode(code, trace, now) {
  const step = trace.steps[now - 1];
  const op = step && !step.seed ? trace.variables[step.variable].op : "";
  const way = step ? step.phase : "forward";
  const { lines, mark } = trace.code[op][way];
  code.replaceChildren(
    ...lines.map((line, k) => {
      const ran = step && k >= mark[0] && k <= mark[1];
      return element("span", { class: ran ? "ran" : "" }, `${line}\n`);
    }),
  );
}

/** Keep the node that runs in view where the picture is wider than the page. */
function follow(scroll, node) {
  if (!node || scroll.scrollWidth <= scroll.clientWidth) return;
  const box = node.getBoundingClientRect();
  const frame = scroll.getBoundingClientRect();
  const left = scroll.scrollLeft + box.left + box.width / 2 - frame.left - frame.width / 2;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroll.scrollTo({ left, behavior: calm ? "auto" : "smooth" });
}

const mounted = new WeakSet();

/** Make every served figure below `root` live. One that is broken says so, and harms no other. */
export function hydrate(root = document) {
  for (const figure of root.querySelectorAll(".chainrule-stepper")) {
    if (mounted.has(figure)) continue;
    mounted.add(figure);
    try {
      mount(figure, { step: Number(figure.dataset.step) });
    } catch (error) {
      const words = `This figure cannot be stepped (${error.message}). The picture and the table remain.`;
      figure.append(element("p", { class: "chainrule-broken" }, words));
    }
  }
}

function render({ model, el }) {
  el.innerHTML = model.get("html"); // made by chainrule.drawing, where every name is escaped
  const stepper = mount(el.querySelector(".chainrule-stepper"), {
    step: model.get("step"),
    onStep: (step) => {
      model.set("step", step);
      model.save_changes();
    },
  });
  const onModel = () => stepper.go(model.get("step"));
  model.on("change:step", onModel);
  return () => {
    model.off("change:step", onModel);
    stepper.destroy();
  };
}

export default { render };
