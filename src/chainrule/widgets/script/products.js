// Matrix products: how an entry of x @ W + b and of its gradients is read, and what known mistakes make of it.

import { isNumber, product, sum, transpose } from "./arrays.js";
import { says, SLIPS } from "./guessing.js";
import { gradient, joined, range, READERS, rowsOf, times, value } from "./reading.js";

/** Entries of x times entries of W, one by one, plus entry `c` of the bias, if there is one. */
export function weightedSum([x, W, b], inputs, seen, weights, c) {
  const terms = seen.map((from, k) => times(value(x.data[from]), value(W.data[weights[k]])));
  const lit = [[inputs[0], "value", seen], [inputs[1], "value", weights]];
  if (b) {
    terms.push([value(b.data[c])]);
    lit.push([inputs[2], "value", [c]]);
  }
  return { parts: joined(terms), lit };
}

/** x @ W + b: a row of x, a column of W. */
function weighted(given, inputs, _, flat) {
  const [inner, columns] = given[1].shape;
  const [r, c] = [Math.floor(flat / columns), flat % columns];
  return weightedSum(given, inputs, range(inner).map((k) => r * inner + k), range(inner).map((k) => k * columns + c), c);
}

/** dx = dout @ W.T,  dW = x.T @ dout,  db = the sum of dout over the batch. */
function handed([x, W], inputs, j, dout, _, port, flat) {
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

/** Of x @ W + b: a transpose left out, a bias that is missing or not summed, a division too many. */
function slips({ port, given: [x, W, b], z, dout, flat }) {
  const fits = (one, other) => (one.shape[1] === other.shape[0] ? product(one, other).data[flat] : NaN);
  if (port < 0) {
    const columns = W.shape[1];
    return says(["bias", b ? z.data[flat] - b.data[flat % columns] : NaN], ["transpose", fits(x, transpose(W))]);
  }
  const N = dout.shape[0];
  if (port === 0) return says(["transpose", fits(dout, W)]);
  if (port === 1) {
    const right = product(transpose(x), dout);
    const [rows, columns] = right.shape;
    const [r, c] = [Math.floor(flat / columns), flat % columns];
    const turned = c < rows && r < columns ? right.data[c * columns + r] : NaN;
    return says(["transpose", fits(x, dout)], ["transpose", turned], ["twice", right.data[flat] / N]);
  }
  const column = dout.data.filter((_, k) => k % dout.shape[1] === flat);
  return says(["twice", sum(column) / N], ...column.map((n) => ["summed", n]), ["columns", sum(dout.data)]);
}

/** Of x · y: the upstream gradient times the other side. */
function swapped([x, y], inputs, j, dout, _, port, flat) {
  const other = port ? x : y;
  return isNumber(dout) ? { parts: times(gradient(dout), value(other.data[flat])), lit: [[inputs[1 - port], "value", [flat]]] } : null;
}

const matrices = (given) => given.every((x) => x.shape?.length === 2);

Object.assign(READERS, {
  Affine: { forward: weighted, backward: handed },
  MatMul: {
    forward: (given, ...rest) => (matrices(given) ? weighted(given, ...rest) : null),
    backward: (given, ...rest) => (matrices(given) ? handed : swapped)(given, ...rest),
  },
});
Object.assign(SLIPS, { Affine: slips, MatMul: (asked) => (matrices(asked.given) ? slips(asked) : []) });
