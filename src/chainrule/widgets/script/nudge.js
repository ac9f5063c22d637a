// A nudge: a small change Δ of one input travels to the output, edge by edge. It is measured, by changing numbers
// a little and running the nodes again. Then the walk goes back from the output, as far as the same number.

import { cellName, entries, entry, isNumber, map, map2 } from "./arrays.js";
import { display } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { bracketed, element, label, plain, press, setDisabled, toggle, word } from "./parts.js";
import { telling } from "./reading.js";
import { summed } from "./run.js";

const HOP = 900; // milliseconds from node to node

/** What f gives for a value that is a little larger in entry `flat`, and for a little smaller one: how fast it changes. */
function slope(value, flat, f) {
  const h = 1e-5 * Math.max(1, Math.abs(entry(value, flat)));
  const [up, down] = [h, -h].map((step) => f(map((n, k = flat) => n + (k === flat) * step, value)));
  const speed = (above, below) => (above - below) / (2 * h);
  const rounded = (n) => (Math.abs(n) < 1e-8 ? 0 : Number(n.toPrecision(7))); // without the digits that rounding has made up
  return up.map((one, j) => map(rounded, map2(speed, one, down[j])));
}

/** How fast every variable changes with entry `flat` of variable `from`: a number, an array, or an empty place. */
export const slopes = (run, from, flat = 0) =>
  slope(run.values[from], flat, (changed) => {
    const values = [];
    values[from] = changed;
    run.trace.variables.forEach(({ op, inputs, options }, j) => {
      if (inputs.some((i) => values[i] !== undefined)) values[j] = OPERATIONS[op].forward(inputs.map((i) => values[i] ?? run.values[i]), options);
    });
    return values;
  });

/** How fast entry `to` of the output of a node changes with entry `from` of its input `port`, measured at the node alone. */
function slopeAt(run, j, port, from, to) {
  const { op, inputs, options } = run.trace.variables[j];
  const given = inputs.map((i) => run.values[i]);
  return slope(given[port], from, (changed) => [entry(OPERATIONS[op].forward(given.map((value, k) => (k === port ? changed : value)), options), to)])[0];
}

/**
 * The entry, flat, by which most of the change reaches the output; where none changes, the entry that it was before
 * this node. `gradient` says what an entry does to the output.
 */
function strongest(slope, gradient, before) {
  const all = entries(slope);
  const share = (k) => Math.abs(all[k]) * (Math.abs(entry(gradient, k)) + 1e-9);
  return all.reduce((best, _, k) => (share(k) > share(best) ? k : best), before < all.length ? before : 0);
}

const factorsOf = (factors) => factors.flatMap((n) => [["", " × "], ["value", n]]).slice(1);
const productOf = (factors) => plain(bracketed(factorsOf(factors)));

/**
 * The switch, and the row that asks which input is to change.
 *
 * acts   { run(), picture(), start(on), at(step), say(text, product) }: start brings the walk to the turn, or back; at
 *        takes it to a step, or one further
 */
export function nudging(acts) {
  let on = false;
  let timer;
  let chosen = null; // { i, flat, name, factors }: the factors of its road, if it has but one
  const row = element("div", { class: "chainrule-nudge", role: "group", "aria-label": label("nudge"), hidden: "" });
  const back = word(label("nudge.back"), travelBack);
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
    acts.say(label("nudge.start"), "");
  }

  function choice(name, i) {
    const flat = telling(acts.run(), { i, kind: "value" }, Infinity);
    return word(entryName(name, i, flat), () => start(i, flat));
  }

  function entryName(name, i, flat) {
    const value = acts.run().values[i];
    return isNumber(value) ? name : name + cellName(value, flat);
  }

  /** Nudge entry `flat` of variable i, if it is an input. */
  function start(i, flat) {
    const { name, inputs, constant, grad } = acts.run().trace.variables[i];
    if (inputs.length || constant || grad === null) return;
    chosen = { i, flat, name: entryName(name, i, flat) };
    travel();
  }

  function stop() {
    clearInterval(timer);
    acts.picture().unnudge();
    setDisabled(back, true);
  }

  /** From the chosen input to the output, a node at a time. */
  function travel() {
    stop();
    const run = acts.run();
    acts.at(run.turn);
    const { variables } = run.trace;
    const last = variables.length - 1;
    const reached = slopes(run, chosen.i, chosen.flat);
    const path = variables.map((v, j) => j).filter((j) => j > chosen.i && reached[j] !== undefined && slopes(run, j)[last] !== undefined);
    const changed = (i) => i === chosen.i || path.includes(i);
    const flats = { [chosen.i]: chosen.flat }; // the entry of each array that is shown
    for (const j of path) flats[j] = strongest(reached[j], run.gradient(j) ?? 0, flats[variables[j].inputs.find(changed)]);
    const several = (j) => entries(reached[j]).filter(Boolean).length > 1;
    const says = (j) => {
      const change = j === chosen.i ? "Δ" : productOf(["Δ", display(entry(reached[j], flats[j]))]);
      const place = entryName("", j, flats[j]);
      return `${place && `${place}: `}${change}${several(j) ? ", …" : ""}`;
    };
    const [factors, terms] = [[], []]; // of one road, and of what is added where the travel ends
    let hop = 0;
    const many = path.some(several) ? ` ${label("nudge.many")}` : "";
    acts.picture().nudge(chosen.i, says(chosen.i));
    acts.say(many || label("nudge.go"), "");
    timer = setInterval(() => {
      if (hop === path.length) {
        clearInterval(timer);
        const change = productOf(["Δ", display(reached[last])]);
        const sum = terms[1] ? terms.flatMap((n) => [["", " + "], ...factorsOf(["Δ", n])]).slice(1) : [];
        if (factors.length === path.length) chosen.factors = factors;
        const made = chosen.factors ? productOf(["Δ", ...factors]) : plain(bracketed(sum));
        acts.say(label("nudge.end", { name: chosen.name, change }) + many, made && `${made} = ${change}`);
        setDisabled(back, false);
        return;
      }
      const j = path[hop];
      hop += 1;
      acts.picture().unlit();
      variables[j].inputs.forEach((i, port) => {
        if (!changed(i)) return;
        let local = null; // of one entry among many it is no factor of the whole
        if (!many) {
          local = slopeAt(run, j, port, flats[i], flats[j]);
          factors.push(display(local));
          if (j === last) terms.push(display(local * entry(reached[i], flats[i])));
        }
        acts.picture().lit(j, port, local);
      });
      acts.picture().nudge(j, says(j));
    }, HOP);
  }

  /** The walk's own steps, until the gradient of the chosen input is whole. */
  function travelBack() {
    stop();
    const run = acts.run();
    const { i, flat, factors } = chosen;
    timer = setInterval(() => {
      if (acts.at(run.uses[i].at(-1)[0], true)) return;
      clearInterval(timer);
      const pieces = run.received(i).map((one) => entry(one, flat));
      const change = display(entry(run.gradient(i), flat));
      const made = factors?.[1] ? productOf([...factors].reverse()) : pieces[1] === undefined ? "" : plain(summed(pieces));
      acts.say(label("nudge.met", { change }), made && `${made} = ${change}`);
    }, HOP);
  }

  return { toggle: knob, row, start, on: () => on, off: () => turn(false), stop: () => clearInterval(timer) };
}
