// Losses: how an entry of their gradient is read, and what known mistakes make of them.

import { columnsOf, entries, entry, extent, isNumber } from "./arrays.js";
import { says, SLIPS } from "./guessing.js";
import { gradient, READERS, rowsOf, text, value } from "./reading.js";

const loss = {
  forward: () => null,

  /** (y - t) / N, times the upstream gradient of the loss. */
  backward([scores, t], inputs, j, dout, _, port, flat, { kept }) {
    if (port > 0) return null;
    const y = kept[j] ?? scores;
    const [columns, batch] = [columnsOf(y), rowsOf(y)];
    const row = Math.floor(flat / columns);
    const oneHot = !isNumber(t) && t.data.length === y.data.length;
    const target = oneHot ? t.data[flat] : Number(entry(t, row) === flat % columns);
    const parts = [text("("), value(y.data[flat]), text(" − "), value(target), text(") ÷ "), value(batch)];
    if (dout !== 1) parts.push(text(" × "), gradient(dout));
    const seen = kept[j] ? [j, "kept", [flat]] : [inputs[0], "value", [flat]];
    return { parts, lit: [seen, [inputs[1], "value", [oneHot ? flat : row]]] };
  },
};

Object.assign(READERS, { SoftmaxWithLoss: loss, IdentityWithLoss: loss });

/** The targets of a batch of scores, as one-hot rows without their brackets. */
function targetsOf(x, t) {
  const columns = columnsOf(x);
  return entries(t).length === x.data.length ? t.data : x.data.map((_, k) => Number(entry(t, Math.floor(k / columns)) === k % columns));
}

Object.assign(SLIPS, {
  IdentityWithLoss({ port, given: [x, t], z, dout, flat }) {
    const batch = rowsOf(x);
    if (port < 0) return says(["mean", z * batch], ["half", z * 2]);
    const off = (x.data[flat] - targetsOf(x, t)[flat]) * dout;
    return says(["mean", off], ["order", -off / batch], ["half", (2 * off) / batch]);
  },
  SoftmaxWithLoss({ port, given: [x, t], z, dout, kept, flat }) {
    const [batch, columns, target] = [rowsOf(x), columnsOf(x), targetsOf(x, t)];
    const powers = x.data.map((n) => Math.exp(n - extent(x.data)[1]));
    const total = (test) => powers.reduce((sum, p, k) => sum + (test(k) ? p : 0), 0);
    const [all, down] = [powers.map((p) => p / total(() => true)), powers.map((p, k) => p / total((m) => m % columns === k % columns))];
    const loss = (shares) => -shares.reduce((sum, p, k) => sum + (target[k] ? target[k] * Math.log(p) : 0), 0) / batch;
    if (port < 0) return says(["mean", z * batch], ["rows", loss(all)], ["rows", loss(down)]);
    const there = kept.data[flat];
    const from = (p) => ((p - target[flat]) / batch) * dout;
    return says(["mean", (there - target[flat]) * dout], ["order", -from(there)], ["target", (there / batch) * dout], ["rows", from(all[flat])], ["rows", from(down[flat])]);
  },
});
