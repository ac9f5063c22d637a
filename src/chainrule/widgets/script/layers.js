// Layers that work entry by entry: what known mistakes make of them.

import { entry } from "./arrays.js";
import { says, SLIPS } from "./guessing.js";

/** Slips of a layer that works entry by entry: from its input, and backward from (upstream gradient, input, output). */
function entrywise(forward, backward) {
  return ({ port, given: [x], z, dout, flat }) => {
    const [a, out] = [entry(x, flat), entry(z, flat)];
    return says(...(port < 0 ? forward(a) : backward(entry(dout, flat), a, out)));
  };
}

Object.assign(SLIPS, {
  ReLU: entrywise((a) => [["mask", a]], (g, a) => [["mask", g], ["mask", g * a]]),
  Sigmoid: entrywise(() => [], (g, a, out) => [["output", g * a * (1 - a)], ["factor", g * out], ["factor", g * (1 - out)]]),
  Tanh: entrywise(() => [], (g, a, out) => [["output", g * (1 - a * a)], ["factor", g * (1 - out)]]),
});
