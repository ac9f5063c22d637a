// A nudge: a small change Δ of one input travels to the output, edge by edge, and the same product comes
// back from the output. Both are measured, by changing numbers a little and running the nodes again.

import { cellName, entries, entry, isNumber } from "./arrays.js";
import { display } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { bracketed, element, label, plain, press, scaled, setDisabled, toggle, word } from "./parts.js";
import { telling } from "./reading.js";

const HOP = 900; // milliseconds from node to node

const shifted = (value, flat, h) => (isNumber(value) ? value + h : { ...value, data: value.data.map((n, k) => (k === flat ? n + h : n)) });

/** How fast every variable changes with entry `flat` of variable `from`: a number, an array, or undefined. */
export function slopes(run, from, flat = 0) {
  const { variables } = run.trace;
  const h = 1e-5 * Math.max(1, Math.abs(entry(run.values[from], flat)));
  const [up, down] = [h, -h].map((step) => {
    const values = [];
    values[from] = shifted(run.values[from], flat, step);
    for (let j = from + 1; j < variables.length; j += 1) {
      const { op, inputs, options } = variables[j];
      if (inputs.some((i) => values[i] !== undefined)) values[j] = OPERATIONS[op].forward(inputs.map((i) => values[i] ?? run.values[i]), options);
    }
    return values;
  });
  return variables.map((_, j) => (up[j] === undefined ? undefined : measured(entries(up[j]), entries(down[j]), h, isNumber(up[j]))));
}

/** A measured slope, without the digits that rounding has made up. */
function measured(up, down, h, single) {
  const all = up.map((n, k) => (n - down[k]) / (2 * h)).map((n) => (Math.abs(n) < 1e-8 ? 0 : Number(n.toPrecision(7))));
  return single ? all[0] : all;
}

/** How fast the output of a node changes with its input `port`, measured at the node alone; a word for arrays. */
function slopeAt(run, j, port) {
  const { op, inputs, options } = run.trace.variables[j];
  const given = inputs.map((i) => run.values[i]);
  if ([...given, run.values[j]].some((value) => !isNumber(value))) return run.local(run.returnedAt[j], port);
  const h = 1e-5 * Math.max(1, Math.abs(given[port]));
  const [up, down] = [h, -h].map((step) => OPERATIONS[op].forward(given.map((n, k) => (k === port ? n + step : n)), options));
  return measured([up], [down], h, true);
}

/** Where a slope is largest: the entry, flat. */
const strongest = (slope) => (slope.length ? slope.reduce((best, n, k) => (Math.abs(n) > Math.abs(slope[best]) ? k : best), 0) : 0);

const productOf = (factors) => plain(bracketed(factors.flatMap((n) => [["", " × "], ["value", n]]).slice(1)));

/**
 * The switch, and the row that asks which input is to change.
 *
 * acts   { run(), picture(), start(on), say(text, product) }: start brings the walk to the turn, or back
 */
export function nudging(acts) {
  let on = false;
  let timer;
  let chosen = null; // { i, flat, name }
  const row = element("div", { class: "chainrule-nudge", role: "group", "aria-label": label("nudge"), hidden: "" });
  const back = word(label("nudge.back"), () => travel(true));
  const knob = toggle(label("nudge"), () => turn(!on));

  function turn(to) {
    if (to === on) return;
    on = to;
    stop();
    chosen = null;
    press(knob, on);
    row.hidden = !on;
    acts.start(on);
    if (!on) return;
    const { variables } = acts.run().trace;
    const leaves = variables.map((v, i) => [v, i]).filter(([v]) => !v.inputs.length && !v.constant && v.grad !== null && !("maximum_of" in v.options));
    row.replaceChildren(label("nudge.which"), ...leaves.map(([v, i]) => choice(v.name, i)), back);
    setDisabled(back, true);
    acts.say(label("nudge.start"), "");
  }

  function choice(name, i) {
    const value = acts.run().values[i];
    const flat = telling(acts.run(), { i, kind: "value" }, Infinity);
    return word(isNumber(value) ? name : `${name}${cellName(value, flat)}`, () => start(i, flat));
  }

  /** Nudge entry `flat` of variable i, if it is an input. */
  function start(i, flat) {
    const { name, inputs, constant, grad } = acts.run().trace.variables[i];
    if (inputs.length || constant || grad === null) return;
    const value = acts.run().values[i];
    chosen = { i, flat, name: isNumber(value) ? name : `${name}${cellName(value, flat)}` };
    travel(false);
  }

  function stop() {
    clearInterval(timer);
    acts.picture().unnudge();
  }

  /** From the chosen input to the output, or back, a node at a time. */
  function travel(backward) {
    stop();
    setDisabled(back, true);
    const run = acts.run();
    const { variables } = run.trace;
    const last = variables.length - 1;
    const reached = slopes(run, chosen.i, chosen.flat);
    const path = variables.map((v, j) => j).filter((j) => j > chosen.i && reached[j] !== undefined && slopes(run, j)[last] !== undefined);
    const total = slopes(run, chosen.i, chosen.flat)[last];
    const says = (j) => {
      const flat = j === chosen.i ? chosen.flat : strongest(reached[j]);
      const change = backward ? display(slopes(run, j, flat)[last]) : productOf(["Δ", ...(j === chosen.i ? [] : [display(reached[j][flat] ?? reached[j])])]);
      return isNumber(run.values[j]) ? change : `${cellName(run.values[j], flat)}: ${change}`;
    };
    const factors = [];
    const hops = backward ? [...path].reverse() : path;
    let hop = 0;
    const straight = hops.every((j) => variables[j].inputs.filter((i) => i === chosen.i || path.includes(i)).length === 1);
    acts.picture().nudge(backward ? last : chosen.i, says(backward ? last : chosen.i), backward);
    acts.say(label(backward ? "nudge.from" : "nudge.go", { name: chosen.name, out: variables[last].name }), "");
    timer = setInterval(() => {
      if (hop === hops.length) {
        clearInterval(timer);
        const begin = backward ? [] : ["Δ"];
        const product = straight ? `${productOf([...begin, ...factors])} = ${productOf([...begin, display(total)])}` : "";
        acts.say(label(backward ? "nudge.met" : "nudge.end", { name: chosen.name, out: variables[last].name, factor: scaled(display(total)).slice(2) }), product);
        setDisabled(back, backward);
        return;
      }
      const j = hops[hop];
      hop += 1;
      acts.picture().unlit();
      variables[j].inputs.forEach((i, port) => {
        if (i !== chosen.i && !path.includes(i)) return;
        const local = slopeAt(run, j, port);
        factors.push(isNumber(local) ? display(local) : local);
        acts.picture().lit(j, port, local, backward);
        if (backward) acts.picture().nudge(i, says(i), true);
      });
      if (!backward) acts.picture().nudge(j, says(j), false);
    }, HOP);
  }

  return { toggle: knob, row, start, on: () => on, off: () => turn(false), stop: () => clearInterval(timer) };
}
