// The mirror of chainrule/nodes.py, and of nothing else (of more_nodes.py: moves.js). backward(dout, inputs, output, options) gives
// one gradient an input; `compute` in run.js sums each to its input's shape.

import { add, asColumn, asRow, broadcast, columnsOf, divide, entries, isNumber, kept, map, map2, multiply, negate, product, reshape, some, stretch, sumTo, transpose } from "./arrays.js";
import { display } from "./numbers.js";

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
      const g = reshape(dout, [...stack, a.shape[a.shape.length - 2], columnsOf(b)]);
      const [dx, dy] = [product(g, transpose(b)), product(transpose(a), g)];
      return [squeeze(dx, x, -2), squeeze(dy, y, -1)];
    },
  },
  Sum: {
    forward: ([x], options) => (isNumber(x) ? x : shrunk(sumTo(x, { shape: kept(x.shape, options.axis) }).data, x, options)),
    backward(dout, [x], _, { axis }) {
      return [isNumber(x) ? dout : stretch(reshape(dout, kept(x.shape, axis)), x.shape)];
    },
  },
};

/** What was summed or chosen over `axis`, one entry a sum, in the shape that is wanted. */
export function shrunk(data, x, { axis, keepdims }) {
  const shape = kept(x.shape, axis);
  if (keepdims) return { shape, data };
  const left = x.shape.filter((_, k) => kept(x.shape.map(() => 2), axis)[k] !== 1);
  return left.length ? { shape: left, data } : data[0];
}

/** Drop the axis that a vector was given, so that its gradient is a vector again. */
function squeeze(gradient, like, axis) {
  if (like.shape.length > 1) return gradient;
  const shape = gradient.shape.filter((_, k) => k !== gradient.shape.length + axis);
  return reshape(gradient, shape);
}
