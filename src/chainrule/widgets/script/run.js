// A run: its numbers, recorded or computed anew, and its words.

import { add, cutRows, entries, extent, isNumber, map, shapeText, sumTo } from "./arrays.js";
import { decode, display, raised } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { bracketed, fill, label, plain } from "./parts.js";
import { WORDS } from "./words.js";


/** The largest entry of each row, as RowMaximum in chainrule/losses.py. */
function rowMaximum(x) {
  return { shape: [...x.shape.slice(0, -1), 1], data: cutRows(x).map((row) => extent(row)[1]) };
}

/** Compute the whole run anew from its leaves: { values, contributions }. Throws in words. */
export function compute(trace, leaves) {
  const values = [];
  trace.variables.forEach((variable, i) => {
    const inputs = variable.inputs.map((k) => values[k]);
    const follows = variable.options.maximum_of;
    if (variable.op) values.push(OPERATIONS[variable.op].forward(inputs, variable.options));
    else values.push(follows === undefined ? leaves[i] : rowMaximum(values[follows]));
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

/** The inverse of `to_dict` in chainrule/trace.py: what was left out as empty is put back. */
function whole(data) {
  const variables = data.variables.map((v) => ({ op: "", symbol: "", inputs: [], options: {}, constant: false, ...v, name: v.letter ?? v.name, value: decode(v.value), grad: decode(v.grad ?? null), kept: v.kept ? [v.kept[0], decode(v.kept[1])] : null }));
  const steps = data.steps.map((s) => ({ seed: false, ...s, contributions: (s.contributions ?? []).map(decode) }));
  if (!data.code || !steps.every((step) => variables[step.variable])) throw new Error("not a trace");
  return { variables, steps, code: data.code };
}

/** Everything the figure asks about a run. Its numbers may change; its shape may not. */
export class Run {
  constructor(data) {
    this.trace = whole(data);
    const { variables, steps } = this.trace;
    const { name, value } = variables[variables.length - 1];
    this.top = isNumber(value) ? name : "L"; // an array gets its gradient from a number beyond the graph
    this.last = steps.length;
    this.turn = steps.filter((step) => step.phase === "forward").length;
    this.valuedAt = variables.map((v) => (v.inputs.length ? Infinity : 0));
    this.returnedAt = variables.map(() => Infinity);
    this.uses = variables.map(() => []); // [step, port] of each gradient that a variable may get
    steps.forEach((step, k) => {
      if (step.phase === "forward") this.valuedAt[step.variable] = k + 1;
      else {
        if (!step.seed) this.returnedAt[step.variable] = k + 1;
        this.receivers(step).forEach((to, port) => this.uses[to].push([k + 1, port]));
      }
    });
    this.names = new Map(variables.map((v, i) => [v.name, i]));
    this.set({
      values: variables.map((v) => v.value),
      contributions: steps.map((s) => s.contributions),
      kept: variables.map((v) => v.kept?.[1]),
    });
  }

  set(numbers) {
    Object.assign(this, numbers);
  }

  phase(now) {
    return now === 0 ? "start" : this.trace.steps[now - 1].phase;
  }

  /** The step at which a variable's node runs, on the way that the walk is on. */
  stepOf(variable, now) {
    return now > this.turn && Number.isFinite(this.returnedAt[variable]) ? this.returnedAt[variable] : this.valuedAt[variable];
  }

  receivers(step) {
    return step.seed ? [step.variable] : this.trace.variables[step.variable].inputs;
  }

  /** The gradients that a variable has got by the end of step `now`, one a use. */
  received(variable, now = Infinity) {
    const got = [];
    for (const [step, port] of this.uses[variable]) {
      const given = this.contributions[step - 1][port];
      if (step <= now && given != null) got.push(given);
    }
    return got;
  }

  /** The gradient of a variable as it stands after step `now`: the sum so far, or undefined. */
  gradient(variable, now = Infinity) {
    const got = this.received(variable, now);
    return got.length > 1 ? got.reduce(add) : got[0];
  }

  // ---- its words: the same sentences as `Trace.title_and_parts` in chainrule/trace.py

  slots(now) {
    const step = this.trace.steps[now - 1];
    const { variables } = this.trace;
    const out = variables[step.variable];
    const exponent = out.options.exponent ?? 0;
    const value = this.values[step.variable];
    const slots = { op: ["", out.op], p: ["value", display(exponent)], "up.p": ["", raised(exponent)], "up.q": ["", raised(exponent - 1)] };
    out.inputs.forEach((i, k) => {
      const { name, constant } = variables[i];
      const letter = LETTERS[k];
      slots[letter] = ["value", this.called(i)];
      slots[`${letter}.name`] = constant ? slots[letter] : ["", name];
      slots[`${letter}.shape`] = ["", shapeWords(this.values[i])];
      slots[`list.${letter}`] = ["value", listed(this.values[i]) || this.called(i)];
      const stretched = entries(this.values[i]).length < entries(value).length;
      slots[`sum.${letter}`] = ["", stretched ? "Σ " : ""];
      slots[`copies.${letter}`] = ["", stretched ? label("copies") : ""];
    });
    Object.assign(slots, { z: ["value", this.called(step.variable)], "z.name": ["", out.name], "z.shape": ["", shapeWords(value)] });
    Object.assign(slots, { "of.z": ending("value", value), "so.z": ending("value", value, out.name) });
    if (step.phase === "backward") {
      const dout = this.gradient(step.variable, now);
      slots.dout = ["gradient", dout === undefined ? WORDS.other.unfit : isNumber(dout) ? display(dout) : derivative(this.top, out.name)];
      this.contributions[now - 1].forEach((share, k) => {
        const letter = LETTERS[k];
        slots[`d${letter}`] = ["gradient", share == null ? "nothing" : isNumber(share) ? display(share) : label("shaped", { shape: shapeText(share) })];
        const short = share == null ? "" : listed(share);
        slots[`so.${letter}`] = ending("gradient", share);
        slots[`is.${letter}`] = short ? [["", " = "], ["gradient", short]] : slots[`so.${letter}`];
      });
    }
    return slots;
  }

  /** A value within a sentence: a number, or an array by its name. */
  called(i) {
    const [value, { name, constant }] = [this.values[i], this.trace.variables[i]];
    if (isNumber(value)) return display(value);
    return constant ? label("constant", { shape: shapeText(value) }) : name;
  }

  /** The entry of the table of words that tells a variable's operation; `told_as` in chainrule/narration.py. */
  told({ op, inputs, options }) {
    if (op === "Power") return inputs.length === 2 ? "Power.variable" : options.exponent === 2 ? "Power.square" : op;
    if (["Affine", "Conv2D"].includes(op) && inputs.length === 2) return `${op}.plain`;
    if (op === "Maximum" && this.trace.variables[inputs[1]].constant && this.values[inputs[1]] === 0) return "Maximum.gate";
    if (op === "MatMul" && inputs.every((i) => this.values[i].shape?.length === 1)) return `${op}.dot`;
    return op in WORDS && /^[A-Z]/.test(op) ? op : "other";
  }

  /** The table's entry for what ran in step `now`. */
  words(now) {
    if (now === 0) return WORDS.start;
    const step = this.trace.steps[now - 1];
    if (step.seed) return WORDS[step.contributions[0] === 1 ? "seed" : "given"];
    return WORDS[this.told(this.trace.variables[step.variable])];
  }

  /** [title, parts] of step `now`; parts are [kind, text], kind "value", "gradient" or "". */
  sentence(now) {
    const { variables, steps } = this.trace;
    const words = this.words(now);
    if (now === 0) {
      const [title, text] = words.forward;
      return [title, fill(text, { "z.name": ["", variables[variables.length - 1].name] })];
    }
    const step = steps[now - 1];
    const slots = this.slots(now);
    const title = plain(fill(words[step.phase][0], slots));
    const parts = fill(words[step.phase][1], slots);
    if (step.seed || step.phase === "forward") return [title, parts];
    const { inputs } = variables[step.variable];
    const each = this.phrases(now, words)
      .slice(0, inputs.length)
      .filter((phrase, k) => phrase && !variables[inputs[k]].constant)
      .map((phrase) => fill(phrase, slots));
    if (each.length === 2 && plain(each[0]) === plain(each[1])) each[1] = [["", label("each.edge")]]; // an input twice
    else each.slice(1).forEach((parts) => parts.unshift(["", ", "]));
    const said = each.length ? each.flat() : [["", WORDS.other.none]];
    return [title, [...parts, ["", " "], ...said, ["", "."], ...this.forks(now, inputs)]];
  }

  /** What is said of each input; of an operation of the author's own, as many as there are. */
  phrases(now, { to }) {
    if (to !== WORDS.other.to) return to;
    return this.contributions[now - 1].map((given, k) => (given == null || !LETTERS[k] ? "" : to[0].replaceAll("x", LETTERS[k])));
  }

  forks(now, inputs) {
    return [...new Set(inputs)].flatMap((i) => {
      const terms = this.received(i, now);
      if (terms.length < 2 || this.trace.variables[i].constant) return [];
      const total = terms.reduce(add);
      const sum = listed(total) ? [["", ": "], ...summed(terms), ["", " = "], ["gradient", listed(total)]] : [];
      return [["", " "], ...fill(WORDS.fork.backward[1], { "x.name": ["", this.trace.variables[i].name], sum })];
    });
  }

  // ---- the rule of a step, in the graph's own names

  /** "net = tiles + delivery" forward; "∂total/∂net = tax = 1.2, ..." backward; "" where there is none. */
  rule(now) {
    const [made, ...slopes] = this.words(now).rule;
    if (now === 0) return "";
    const step = this.trace.steps[now - 1];
    const { variables } = this.trace;
    const { name, inputs } = variables[step.variable];
    const slots = this.ruleSlots(now);
    if (step.phase === "forward") return made && plain([["", `${name} = `], ...fill(made, slots)]);
    if (step.seed) return slopes.length ? `${derivative(name, name)} = 1` : "";
    const told = slopes.slice(0, inputs.length).map((slope, port) => {
      const by = variables[inputs[port]];
      if (by.constant || this.contributions[now - 1][port] == null) return "";
      const names = plain(fill(slope, slots));
      if (slope.includes("gradient}")) return `${derivative(this.top, by.name)} = ${names}`;
      const local = this.local(now, port);
      const sides = [derivative(name, by.name), slope.includes(" where ") && isNumber(local) ? "" : names];
      if (isNumber(local) && display(local) !== names) sides.push(display(local));
      return sides.filter(Boolean).join(" = ");
    });
    if (inputs.length === 2 && inputs[0] === inputs[1]) return told[0] + label("one.edge") + ",  " + told[1] + label("other.edge");
    return told.filter(Boolean).join(",  ");
  }

  /** Names for the rule: those that read as a sum or a product stand in parentheses. */
  ruleSlots(now) {
    const slots = this.slots(now);
    const { variables } = this.trace;
    const { variable } = this.trace.steps[now - 1];
    const wrapped = (name) => (/[+−×÷*/@·^]/.test(name) ? `(${name})` : name);
    for (const [letter, i] of [...variables[variable].inputs.map((i, k) => [LETTERS[k], i]), ["z", variable]]) {
      const { name, constant } = variables[i];
      if (!constant) slots[`${letter}.name`] = ["", wrapped(name)];
    }
    slots["z.gradient"] = ["gradient", derivative(this.top, variables[variable].name)];
    return slots;
  }

  /**
   * The local derivative of step `now` by its input `port`: a number where all is numbers, else a word; null
   * where nothing is known.
   */
  local(now, port) {
    const { variable } = this.trace.steps[now - 1];
    const { op, inputs, options } = this.trace.variables[variable];
    const given = inputs.map((k) => this.values[k]);
    const known = op in OPERATIONS;
    if (known && [...given, this.values[variable]].every((value) => isNumber(value))) {
      return OPERATIONS[op].backward(1, given, this.values[variable], options)[port];
    }
    const words = this.words(now);
    const word = (words.local ?? words.rule.slice(1))[port];
    if (word) return plain(fill(word, this.ruleSlots(now)));
    const [dout, share] = [this.gradient(variable, now), this.contributions[now - 1][port]];
    return isNumber(dout) && isNumber(share) && dout !== 0 ? share / dout : null;
  }
}

const LETTERS = "xybcdefghijklmnopqrstuvw"; // the inputs in a sentence, in order
const MOST = 4; // entries of a vector in a sentence, and terms of a fork; of a longer sum the first ones and the last are written

const shapeWords = (value) => (isNumber(value) ? "number" : shapeText(value));

/** A number, or a short vector with its numbers; "" for any other array. */
function listed(value) {
  if (isNumber(value)) return display(value);
  return value.shape.length === 1 && value.data.length <= MOST ? `[${value.data.map((n) => display(n, 3)).join(", ")}]` : "";
}

/** How a sum ends: with its number, or with the name and the shape of an array. */
function ending(kind, value, name = "") {
  if (value == null) return [["", " = "], [kind, "nothing"]];
  if (isNumber(value)) return [["", " = "], [kind, display(value)]];
  const named = name ? [["", " = "], [kind, name]] : [];
  return [...named, ["", label("of.shape", { shape: shapeText(value) })]];
}

/** The terms of a sum as parts; of a long one the first and the last. */
export function summed(terms) {
  const shown = terms.length > MOST ? [...terms.slice(0, MOST - 2), null, terms[terms.length - 1]] : terms;
  return bracketed(shown.flatMap((term) => [["", " + "], ["gradient", term === null ? "…" : listed(term)]]).slice(1));
}

/** ∂L/∂x; a name that reads as a sum or a product stands in parentheses. */
export function derivative(top, by) {
  const whole = (name) => (/[-+−×÷*/@·^ ]/.test(name) ? `(${name})` : name);
  return `∂${whole(top)}/∂${whole(by)}`;
}

// ---------------------------------------------------------------- layers

// How a number of a layer is read off the nodes that it stands for; READ in chainrule/trace.py.
const READ = {
  same: (value) => value,
  class: classes,
  positive: (value) => map((n) => Number(n > 0), value),
  exp: (value) => map(Math.exp, value),
};

/** The index of the largest entry of each row. */
function classes(rows) {
  const data = cutRows(rows).map((row) => row.indexOf(extent(row)[1]));
  return rows.shape.length === 1 ? data[0] : { shape: [data.length], data };
}

/** The numbers of the layers of a network, from the run of its nodes. */
export function readLayers(layers, reads, nodes) {
  const look = (where) => READ[where[1]](nodes.values[where[0]]);
  const values = reads.map(([value]) => look(value));
  const kept = reads.map(([, where]) => where && look(where));
  const { variables, steps } = layers.trace;
  const contributions = steps.map((step, k) => {
    if (step.phase === "forward" || step.seed) return layers.contributions[k];
    return variables[step.variable].inputs.map((i, port) => {
      const recorded = layers.contributions[k][port];
      return recorded == null ? null : nodes.gradient(reads[i][0][0]);
    });
  });
  return { values, kept, contributions };
}

/**
 * For each step of the layers, the step of the nodes at which the layer is done: its output is there, or
 * every input has its whole gradient.
 */
export function places(layers, reads, nodes) {
  const at = [0];
  for (const step of layers.trace.steps) {
    const index = (i) => reads[i][0][0];
    if (step.phase === "forward") at.push(nodes.valuedAt[index(step.variable)]);
    else if (step.seed) at.push(nodes.turn + 1);
    else {
      const inputs = layers.trace.variables[step.variable].inputs.filter((_, port) => step.contributions[port] !== null);
      at.push(Math.max(...inputs.flatMap((i) => nodes.uses[index(i)].map(([k]) => k))));
    }
  }
  return at;
}
