// The mirror of chainrule/more_nodes.py, for pages of Part II: what they compute, and how an entry is read.

import { divide, entries, entry, isNumber, map, shapeOf, targets } from "./arrays.js";
import { OPERATIONS, shrunk } from "./operations.js";
import { gradient, joined, range, READERS, termsOf, text, value } from "./reading.js";

/** For each maximum over `axis`, the place of the entry that wins: the first one where several tie. */
function winners(x, axis) {
  const best = [];
  targets(x.shape, axis).forEach((to, k) => {
    const [now, least] = [x.data[k], x.data[best[to]]];
    if (!(to in best) || now > least || (Number.isNaN(now) && !Number.isNaN(least))) best[to] = k;
  });
  return best;
}

/** Zeros like x, to which each gradient is added at its place. */
function scattered(places, dout, x) {
  const data = entries(x).map(() => 0);
  const given = entries(dout);
  places.forEach((to, k) => (data[to] += given[k]));
  return { shape: shapeOf(x), data };
}

// Nodes that compute nothing: `from` says for each entry of the output where in the input it stood.
const moves = {
  forward: ([x], { from }) => map((place) => entry(x, place), from),
  backward: (dout, [x], _, { from }) => [scattered(entries(from), dout, x)],
};

Object.assign(OPERATIONS, {
  Reshape: moves,
  Transpose: moves,
  Take: moves,
  Mean: {
    forward([x], options) {
      const total = OPERATIONS.Sum.forward([x], options);
      return divide(total, entries(x).length / entries(total).length);
    },
    backward(dout, [x], z, options) {
      return OPERATIONS.Sum.backward(divide(dout, entries(x).length / entries(z).length), [x], z, options);
    },
  },
  Max: {
    forward: ([x], options) => (isNumber(x) ? x : shrunk(winners(x, options.axis).map((k) => x.data[k]), x, options)),
    backward: (dout, [x], _, { axis }) => [isNumber(x) ? dout : scattered(winners(x, axis), dout, x)],
  },
});

const movesRead = {
  forward([x], inputs, { from }, flat) {
    const place = entry(from, flat);
    return { parts: [value(entry(x, place))], lit: [[inputs[0], "value", [place]]] };
  },
  backward(_, inputs, j, dout, { from }, port, flat) {
    const into = range(entries(from).length).filter((k) => entry(from, k) === flat);
    if (into.length === 0) return { parts: [value(0)], lit: [] };
    return { parts: joined(into.map((k) => [gradient(entry(dout, k))])), lit: [[j, "gradient", into]] };
  },
};

/** A reader of what is made of many entries: `told` writes their terms out. */
function madeOfMany(told) {
  return {
    forward(given, inputs, options, flat) {
      const { terms, from } = termsOf(given, options, flat);
      return { parts: told(terms), lit: [[inputs[0], "value", from]] };
    },
    backward: () => null,
  };
}

Object.assign(READERS, {
  Reshape: movesRead,
  Transpose: movesRead,
  Take: movesRead,
  Mean: madeOfMany((terms) => [text("("), ...joined(terms), text(") ÷ "), value(terms.length)]),
  Max: madeOfMany((terms) => [text("max("), ...joined(terms, ", "), text(")")]),
});
