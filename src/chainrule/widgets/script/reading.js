// Matrix reading: which numbers made an entry of an array, and the sum written out with them.

import { cellName, entries, entry, sourcesOf, targets } from "./arrays.js";
import { display, raised } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { bracketed, fill } from "./parts.js";
import { derivative } from "./run.js";
import { WORDS } from "./words.js";

const WHOLE = ["Sum", "Mean", "Max", "MatMul"]; // what they hand back is not told entry by entry
const LONGEST = 8; // terms; of a longer sum the first ones and the last are written

const value = (n) => ["value", display(n, 3)];
const gradient = (n) => ["gradient", display(n, 3)];
const text = (words) => ["", words];
const powers = ({ exponent }) => powersOf(exponent ?? 0);
const powersOf = (exponent) => ({ p: value(exponent), "up.p": text(raised(exponent)), "up.q": text(raised(exponent - 1)) });
const columnsOf = (array) => array.shape[array.shape.length - 1];
const rowsOf = (array) => (array.shape.length === 1 ? 1 : array.shape[0]);
const range = (n) => Array.from({ length: n }, (_, k) => k);

function joined(terms, sign = " + ") {
  const kept = terms.length > LONGEST ? [...terms.slice(0, LONGEST - 2), [text("…")], terms[terms.length - 1]] : terms;
  return kept.flatMap((term, k) => (k ? [text(sign), ...term] : term));
}

const times = (a, b) => [a, text(" × "), b];

/**
 * What made entry `flat` of a variable's value or gradient, as it stands after step `now`:
 * { parts, lit }, where lit lists [variable, "value" or "gradient", entries]. Null where there is none.
 */
export function reading(run, i, kind, flat, now) {
  const own = kind === "value" ? run.values[i] : run.gradient(i, now);
  if (own === undefined || typeof own === "number") return null;
  const out = run.trace.variables[run.trace.variables.length - 1].name;
  const { name } = run.trace.variables[i];
  const head = text(`${kind === "value" ? name : derivative(out, name)}${cellName(own, flat)} = `);
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
  if (own === undefined || typeof own === "number" || own.data.length === 0) return 0;
  const columns = columnsOf(own);
  if (chosen && own.shape.length === 2 && chosen[0] < own.shape[0] && chosen[1] < columns) return chosen[0] * columns + chosen[1];
  const scores = own.data.slice(0, 64).map((n, flat) => {
    const numbers = reading(run, i, kind, flat, now).parts.filter(([kind, said]) => kind && said !== "0").map(([, said]) => said);
    return new Set(numbers).size + (n ? 0.5 : 0) + (flat % columns !== Math.floor(flat / columns) ? 0.2 : 0);
  });
  return scores.indexOf(Math.max(...scores));
}

/** How the number that a step asks for is made, without the number: { parts, lit }. */
export function hinted(run, { i, kind, flat }, port, now) {
  const whole = kind === "value" ? run.values[i] : run.contributions[now - 1][port];
  if (typeof whole === "number") return null;
  const made = kind === "value" ? madeForward(run, i, flat) : share(run, i, now, port, flat);
  const { variables } = run.trace;
  const name = kind === "value" ? variables[i].name : derivative(variables[variables.length - 1].name, variables[i].name);
  return made && { parts: bracketed([text(`${name}${cellName(whole, flat)} = `), ...made.parts, text(" = ?")]), lit: made.lit };
}

function madeForward(run, i, flat) {
  const { op, inputs, options } = run.trace.variables[i];
  const given = inputs.map((k) => run.values[k]);
  const out = run.values[i];
  if (op === "Affine" || (op === "MatMul" && given.every((x) => x.shape.length === 2))) return weighted(given, inputs, out, flat);
  if (options?.places) return throughWindow(given, inputs, options.places, flat, op);
  if (op === "Flatten") return { parts: [value(given[0].data[flat])], lit: [[inputs[0], "value", [flat]]] };
  if (["Sum", "Mean", "Max"].includes(op)) {
    const into = targets(given[0].shape, run.trace.variables[i].options.axis);
    const from = range(into.length).filter((k) => into[k] === flat);
    const terms = joined(from.map((k) => [value(given[0].data[k])]), op === "Max" ? ", " : " + ");
    const told = { Sum: terms, Mean: [text("("), ...terms, text(") ÷ "), value(from.length)], Max: [text("max("), ...terms, text(")")] };
    return { parts: told[op], lit: [[inputs[0], "value", from]] };
  }
  const places = run.trace.variables[i].options.from; // Reshape, Transpose, Take: each entry is one of the input
  if (places !== undefined) {
    const from = entry(places, flat);
    return { parts: [value(entry(given[0], from))], lit: [[inputs[0], "value", [from]]] };
  }
  const formula = WORDS[run.told(run.trace.variables[i])].entry?.[0];
  if (!formula) return null;
  const from = given.map((x) => sourcesOf(x, out)[flat]);
  const slots = { z: value(out.data[flat]), ...powers(run.trace.variables[i].options) };
  given.forEach((x, k) => (slots["xy"[k]] = value(entry(x, from[k]))));
  return { parts: fill(formula, slots), lit: inputs.map((k, port) => [k, "value", [from[port]]]) };
}

/** x @ W + b: a row of x, a column of W. */
function weighted([x, W, b], inputs, out, flat) {
  const [inner, columns] = W.shape;
  const [r, c] = [Math.floor(flat / columns), flat % columns];
  const row = range(inner).map((k) => r * inner + k);
  const column = range(inner).map((k) => k * columns + c);
  const terms = row.map((from, k) => times(value(x.data[from]), value(W.data[column[k]])));
  const lit = [[inputs[0], "value", row], [inputs[1], "value", column]];
  if (b) {
    terms.push([value(b.data[c])]);
    lit.push([inputs[2], "value", [c]]);
  }
  return { parts: joined(terms), lit };
}

/** Of output `flat`: its kernel (in pooling its channel), and where its window is in x, [k, place] for each entry in the image. */
function windowOf([x, W], places, flat) {
  const inner = columnsOf(places);
  const count = places.data.length / inner;
  const [channels, sample] = [(W ?? x).shape[W ? 0 : 1], x.data.length / x.shape[0]];
  const [p, f, n] = [flat % count, Math.floor(flat / count) % channels, Math.floor(flat / count / channels)];
  const start = n * sample + (W ? 0 : f * (sample / channels));
  const seen = range(inner).map((k) => [k, places.data[p * inner + k]]);
  return { f, kernel: f * inner, seen: seen.filter(([, at]) => at >= 0).map(([k, at]) => [k, start + at]) };
}

/** A window times its kernel, plus the bias; in pooling the largest entry of the window. */
function throughWindow(given, inputs, places, flat, op) {
  const [x, W, b] = given;
  const { f, kernel, seen } = windowOf(given, places, flat);
  const lit = [[inputs[0], "value", seen.map(([, at]) => at)]];
  if (op === "MaxPool2D") return { parts: [text("max("), ...joined(seen.map(([, at]) => [value(x.data[at])]), ", "), text(")")], lit };
  const terms = seen.map(([k, at]) => times(value(x.data[at]), value(W.data[kernel + k])));
  lit.push([inputs[1], "value", seen.map(([k]) => kernel + k)]);
  if (b) {
    terms.push([value(b.data[f])]);
    lit.push([inputs[2], "value", [f]]);
  }
  return { parts: joined(terms), lit };
}

/** The gradient of an entry of x, W or b: a term for every place where it was used. */
function sentBack(given, inputs, j, dout, places, port, flat, op) {
  const [x, W] = given;
  const [terms, out, other] = [[], [], []];
  dout.data.forEach((_, to) => {
    const { f, kernel, seen } = windowOf(given, places, to);
    const g = gradient(dout.data[to]);
    if (op === "MaxPool2D" || port === 2) {
      const winner = seen.reduce((best, one) => (x.data[one[1]] > x.data[best[1]] ? one : best));
      if ((port === 2 ? f : winner[1]) === flat) terms.push([g]);
      else return;
    } else {
      const used = seen.find(([k, at]) => (port ? kernel + k : at) === flat);
      if (!used) return;
      const [k, at] = used;
      terms.push(port ? times(value(x.data[at]), g) : times(g, value(W.data[kernel + k])));
      other.push(port ? at : kernel + k);
    }
    out.push(to);
  });
  if (terms.length === 0) return { parts: [value(0)], lit: [] };
  return { parts: joined(terms), lit: [[j, "gradient", out], [inputs[port ? 0 : 1] ?? j, "value", other]] };
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
  if (op === "Affine" || (op === "MatMul" && given.every((x) => x.shape.length === 2))) return handed(given, inputs, j, dout, port, flat);
  if (options?.places) return sentBack(given, inputs, j, dout, options.places, port, flat, op);
  if (op === "Flatten") return { parts: [gradient(dout.data[flat])], lit: [[j, "gradient", [flat]]] };
  if (op === "SoftmaxWithLoss" && port === 0) return fromLoss(run, j, inputs, dout, flat);
  if (op === "IdentityWithLoss" && port === 0) return fromLoss(run, j, inputs, dout, flat);
  if (options.from !== undefined) {
    const into = range(entries(options.from).length).filter((k) => entry(options.from, k) === flat);
    if (into.length === 0) return { parts: [value(0)], lit: [] };
    return { parts: joined(into.map((k) => [gradient(entry(dout, k))])), lit: [[j, "gradient", into]] };
  }
  if (op in OPERATIONS) return WHOLE.includes(op) ? null : elementwise(run, j, dout, given, options, port, flat);
  const formula = WORDS[run.told(run.trace.variables[j])].entry?.[1];
  if (!formula || typeof dout === "number") return null;
  const slots = { x: value(given[0].data[flat]), z: value(out.data[flat]), dout: gradient(dout.data[flat]) };
  if (run.kept[j]) slots.kept = value(run.kept[j].data[flat]);
  return { parts: fill(formula, slots), lit: [[j, "gradient", [flat]], [j, run.kept[j] ? "kept" : "value", [flat]]] };
}

/** dx = dout @ W.T,  dW = x.T @ dout,  db = the sum of dout over the batch. */
function handed([x, W], inputs, j, dout, port, flat) {
  const [inner, columns] = W.shape;
  const batch = rowsOf(dout);
  if (port === 2) {
    const down = range(batch).map((r) => r * columns + flat);
    return { parts: joined(down.map((k) => [gradient(dout.data[k])])), lit: [[j, "gradient", down]] };
  }
  const [first, second] = [Math.floor(flat / (port ? columns : inner)), flat % (port ? columns : inner)];
  if (port === 0) {
    const across = range(columns).map((c) => first * columns + c);
    const weights = range(columns).map((c) => second * columns + c);
    const terms = across.map((k, c) => times(gradient(dout.data[k]), value(W.data[weights[c]])));
    return { parts: joined(terms), lit: [[j, "gradient", across], [inputs[1], "value", weights]] };
  }
  const down = range(batch).map((r) => r * columns + second);
  const seen = range(batch).map((r) => r * inner + first);
  const terms = down.map((k, r) => times(value(x.data[seen[r]]), gradient(dout.data[k])));
  return { parts: joined(terms), lit: [[inputs[0], "value", seen], [j, "gradient", down]] };
}

/** (y - t) / N, times the upstream gradient of the loss. */
function fromLoss(run, j, inputs, dout, flat) {
  const y = run.kept[j] ?? run.values[inputs[0]];
  const t = run.values[inputs[1]];
  const [columns, batch] = [columnsOf(y), rowsOf(y)];
  const row = Math.floor(flat / columns);
  const oneHot = typeof t !== "number" && t.data.length === y.data.length;
  const target = oneHot ? t.data[flat] : Number(entry(t, row) === flat % columns);
  const parts = [text("("), value(y.data[flat]), text(" − "), value(target), text(") ÷ "), value(batch)];
  if (dout !== 1) parts.push(text(" × "), gradient(dout));
  const seen = run.kept[j] ? [j, "kept", [flat]] : [inputs[0], "value", [flat]];
  return { parts, lit: [seen, [inputs[1], "value", [oneHot ? flat : row]]] };
}

/** An entry of an input gets a share from each entry of the output that it went into. */
function elementwise(run, j, dout, given, options, port, flat) {
  const { op } = run.trace.variables[j];
  const shares = OPERATIONS[op].backward(dout, given, run.values[j], options)[port];
  if (typeof shares === "number") return null;
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
