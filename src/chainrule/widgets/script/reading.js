// Matrix reading: which numbers made an entry of an array, and the sum written out with them.

import { cellName, columnsOf, entry, isNumber, sourcesOf, targets } from "./arrays.js";
import { display, raised } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { bracketed, fill } from "./parts.js";
import { derivative } from "./run.js";
import { WORDS } from "./words.js";

/** How an entry of an operation is read that not every page has: op -> { forward, backward }; see products.js and its sisters. */
export const READERS = {};

const LONGEST = 8; // terms; of a longer sum the first ones and the last are written

export const value = (n) => ["value", display(n, 3)];
export const gradient = (n) => ["gradient", display(n, 3)];
export const text = (words) => ["", words];
const powers = ({ exponent = 0 }) => ({ p: value(exponent), "up.p": text(raised(exponent)), "up.q": text(raised(exponent - 1)) });
export const rowsOf = (array) => (array.shape.length === 1 ? 1 : array.shape[0]);
export const range = (n) => Array.from({ length: n }, (_, k) => k);

export function joined(terms, sign = " + ") {
  const kept = terms.length > LONGEST ? [...terms.slice(0, LONGEST - 2), [text("…")], terms[terms.length - 1]] : terms;
  return kept.flatMap((term, k) => (k ? [text(sign), ...term] : term));
}

export const times = (a, b) => [a, text(" × "), b];

/**
 * What made entry `flat` of a variable's value or gradient, as it stands after step `now`:
 * { parts, lit }, where lit lists [variable, "value" or "gradient", entries]. Null where there is none.
 */
export function reading(run, i, kind, flat, now) {
  const own = kind === "value" ? run.values[i] : run.gradient(i, now);
  if (own === undefined || isNumber(own)) return null;
  const { name } = run.trace.variables[i];
  const head = text(`${kind === "value" ? name : derivative(run.top, name)}${cellName(own, flat)} = `);
  const made = kind === "value" ? madeForward(run, i, flat) : madeBackward(run, i, flat, now);
  const total = kind === "value" ? value(own.data[flat]) : gradient(own.data[flat]);
  const parts = made && made.parts.length > 1 ? [head, ...made.parts, text(" = "), total] : [head, total];
  const lit = made?.lit ?? [];
  return { parts: bracketed(parts), lit: [[i, kind, [flat]], ...lit, ...lit.flatMap((one) => whence(run, ...one))] };
}

/** Where the numbers that are marked in a transposed or reshaped array come from: they are marked there, too. */
function whence(run, i, kind, marked) {
  const { options, inputs } = run.trace.variables[i];
  if (kind !== "value" || options.from === undefined) return [];
  return [[inputs[0], "value", marked.map((flat) => entry(options.from, flat))]];
}

/** The entry of a result that tells most: with many different numbers in its sum, and row and column apart. */
export function telling(run, { i, kind }, now, chosen) {
  const own = kind === "value" ? run.values[i] : run.gradient(i, now);
  if (own === undefined || isNumber(own) || own.data.length === 0) return 0;
  const columns = columnsOf(own);
  const row = own.shape.length > 1 ? chosen?.[0] : 0;
  if (chosen && own.shape.length < 3 && row < rowsOf(own) && chosen[1] < columns) return row * columns + chosen[1];
  const scores = own.data.slice(0, 64).map((n, flat) => {
    const numbers = reading(run, i, kind, flat, now).parts.filter(([kind, said]) => kind && said !== "0").map(([, said]) => said);
    return new Set(numbers).size + (n ? 0.5 : 0) + (flat % columns !== Math.floor(flat / columns) ? 0.2 : 0);
  });
  return scores.indexOf(Math.max(...scores));
}

/** How the number that a step asks for is made, without the number: { parts, lit }. */
export function hinted(run, { i, kind, flat }, port, now) {
  const whole = kind === "value" ? run.values[i] : run.contributions[now - 1][port];
  if (isNumber(whole)) return null;
  const made = kind === "value" ? madeForward(run, i, flat) : share(run, i, now, port, flat);
  const { variables } = run.trace;
  const name = kind === "value" ? variables[i].name : derivative(run.top, variables[i].name);
  return made && { parts: bracketed([text(`${name}${cellName(whole, flat)} = `), ...made.parts, text(" = ?")]), lit: made.lit };
}

function madeForward(run, i, flat) {
  const { op, inputs, options } = run.trace.variables[i];
  const given = inputs.map((k) => run.values[k]);
  const out = run.values[i];
  if (READERS[op]) return READERS[op].forward(given, inputs, options, flat);
  if (op === "Sum") {
    const { terms, from } = termsOf(given, options, flat);
    return { parts: joined(terms), lit: [[inputs[0], "value", from]] };
  }
  const formula = WORDS[run.told(run.trace.variables[i])].entry?.[0];
  if (!formula) return null;
  const from = given.map((x) => sourcesOf(x, out)[flat]);
  const slots = { z: value(out.data[flat]), ...powers(run.trace.variables[i].options) };
  given.forEach((x, k) => (slots["xy"[k]] = value(entry(x, from[k]))));
  return { parts: fill(formula, slots), lit: inputs.map((k, port) => [k, "value", [from[port]]]) };
}

/** The entries that were summed over an axis, or of which one was chosen. */
export function termsOf([x], { axis }, flat) {
  const into = targets(x.shape, axis);
  const from = range(into.length).filter((k) => into[k] === flat);
  return { terms: from.map((k) => [value(x.data[k])]), from };
}

/** A gradient is the sum over the variable's uses; each use tells its own terms. */
function madeBackward(run, i, flat, now) {
  const uses = run.uses[i].filter(([step, port]) => step <= now && run.contributions[step - 1][port] != null);
  const whole = ([step, port]) => ({ parts: [gradient(entry(run.contributions[step - 1][port], flat))], lit: [] });
  const told = uses.map((use) => share(run, i, ...use, flat) ?? whole(use));
  if (told.length === 0) return null;
  const parts = told.length === 1 ? told[0].parts : joined(told.map((one) => one.parts));
  return { parts, lit: told.flatMap((one) => one.lit) };
}

function share(run, i, step, port, flat) {
  const { variable: j, seed } = run.trace.steps[step - 1];
  const { op, inputs, options } = run.trace.variables[j];
  if (seed) return null;
  const given = inputs.map((k) => run.values[k]);
  const [out, dout] = [run.values[j], run.gradient(j)];
  if (READERS[op]) return READERS[op].backward(given, inputs, j, dout, options, port, flat, run);
  if (op in OPERATIONS) return op === "Sum" ? null : elementwise(run, j, dout, given, options, port, flat);
  const formula = WORDS[run.told(run.trace.variables[j])].entry?.[1];
  if (!formula || isNumber(dout)) return null;
  const slots = { x: value(given[0].data[flat]), z: value(out.data[flat]), dout: gradient(dout.data[flat]) };
  if (run.kept[j]) slots.kept = value(run.kept[j].data[flat]);
  return { parts: fill(formula, slots), lit: [[j, "gradient", [flat]], [j, run.kept[j] ? "kept" : "value", [flat]]] };
}

/** An entry of an input gets a share from each entry of the output that it went into. */
function elementwise(run, j, dout, given, options, port, flat) {
  const { op } = run.trace.variables[j];
  const shares = OPERATIONS[op].backward(dout, given, run.values[j], options)[port];
  if (isNumber(shares)) return null;
  const from = sourcesOf(given[port], shares);
  const into = range(shares.data.length).filter((k) => from[k] === flat);
  const lit = [[j, "gradient", into]];
  if (into.length > 1) return { parts: joined(into.map((k) => [gradient(shares.data[k])])), lit };
  const at = (x) => entry(x, sourcesOf(x, shares)[into[0]]);
  const slots = { z: value(at(run.values[j])), dout: gradient(at(dout)), ...powers(options) };
  given.forEach((x, k) => (slots["xy"[k]] = value(at(x))));
  if (op === "Maximum") slots.won = value(Number((at(given[0]) > at(given[1])) === (port === 0)));
  return { parts: fill(WORDS[run.told(run.trace.variables[j])].entry[port + 1], slots), lit };
}
