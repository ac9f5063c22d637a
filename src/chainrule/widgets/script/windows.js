// Reading an image: which window made an entry of a convolution or a pooling, and where a weight was used.

import { columnsOf } from "./arrays.js";
import { weightedSum } from "./products.js";
import { gradient, joined, range, READERS, text, times, value } from "./reading.js";

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
function throughWindow(given, inputs, { places }, flat) {
  const [x, W] = given;
  const { f, kernel, seen } = windowOf(given, places, flat);
  const from = seen.map(([, at]) => at);
  if (W) return weightedSum(given, inputs, from, seen.map(([k]) => kernel + k), f);
  return { parts: [text("max("), ...joined(from.map((at) => [value(x.data[at])]), ", "), text(")")], lit: [[inputs[0], "value", from]] };
}

/** The gradient of an entry of x, W or b: a term for every place where it was used. */
function sentBack(given, inputs, j, dout, { places }, port, flat) {
  const [x, W] = given;
  const [terms, out, other] = [[], [], []];
  dout.data.forEach((_, to) => {
    const { f, kernel, seen } = windowOf(given, places, to);
    const g = gradient(dout.data[to]);
    if (!W || port === 2) {
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

const windowed = { forward: throughWindow, backward: sentBack };

Object.assign(READERS, {
  Conv2D: windowed,
  MaxPool2D: windowed,
  Flatten: {
    forward: ([x], inputs, _, flat) => ({ parts: [value(x.data[flat])], lit: [[inputs[0], "value", [flat]]] }),
    backward: (_, inputs, j, dout, options, port, flat) => ({ parts: [gradient(dout.data[flat])], lit: [[j, "gradient", [flat]]] }),
  },
});
