// Arrays. A value is a number, or {shape, data} with the entries in C order, as NumPy has them.

export const isNumber = (value) => typeof value === "number";
export const shapeOf = (value) => (isNumber(value) ? [] : value.shape);
export const entries = (value) => (isNumber(value) ? [value] : value.data);
/** The entry at a position; of a number, the number. */
export const entry = (value, flat) => (isNumber(value) ? value : value.data[flat]);
export const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);
export const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
export const some = (value, test) => entries(value).some(test);

export const columnsOf = (array) => array.shape[array.shape.length - 1];

/** The rows of an array, as lists. */
export function cutRows(array) {
  const columns = columnsOf(array);
  return Array.from({ length: array.data.length / columns }, (_, r) => array.data.slice(r * columns, (r + 1) * columns));
}

/** The smallest and the largest of many numbers (Math.min(...numbers) fails on very many). */
export const extent = (numbers) =>
  numbers.reduce(([low, high], n) => [Math.min(low, n), Math.max(high, n)], [Infinity, -Infinity]);

export function shapeText(value) {
  const shape = shapeOf(value);
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

/** "[1, 0]", or "[2]" in a vector. */
export function cellName({ shape }, flat) {
  const place = shape.map((size, k) => Math.floor(flat / sizeOf(shape.slice(k + 1))) % size);
  return `[${place.join(", ")}]`;
}

export function broadcast(a, b) {
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, k) => {
    const [m, n] = [a[k + a.length - length] ?? 1, b[k + b.length - length] ?? 1];
    if (m !== n && m !== 1 && n !== 1) throw new Error("the shapes do not broadcast");
    return m === 1 ? n : m;
  });
}

/** For each entry of an array of `shape`, the position of the entry of `inner` that it came from. */
function sources(inner, shape) {
  const strides = shape.map(() => 0);
  let stride = 1;
  for (let k = inner.length - 1; k >= 0; k -= 1) {
    strides[k + shape.length - inner.length] = inner[k] === 1 ? 0 : stride;
    stride *= inner[k];
  }
  const index = shape.map(() => 0);
  let at = 0;
  return Array.from({ length: sizeOf(shape) }, () => {
    const here = at;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis] += 1;
      at += strides[axis];
      if (index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
    return here;
  });
}

/** For each entry of an array like `like`, the position of the entry of x that stands there. */
export const sourcesOf = (x, like) => sources(shapeOf(x), shapeOf(like));

/** For each entry of an array of `shape`, the position of its sum over `axis`. */
export const targets = (shape, axis) => sources(kept(shape, axis), shape);

export function map(f, x) {
  return isNumber(x) ? f(x) : { shape: x.shape, data: x.data.map(f) };
}

export function map2(f, x, y) {
  if (isNumber(x) && isNumber(y)) return f(x, y);
  const shape = broadcast(shapeOf(x), shapeOf(y));
  const [a, b] = [stretch(x, shape).data, stretch(y, shape).data];
  return { shape, data: a.map((entry, k) => f(entry, b[k])) };
}

export function stretch(x, shape) {
  const data = entries(x);
  if (shapeOf(x).length === shape.length && shapeOf(x).every((n, k) => n === shape[k])) {
    return { shape, data };
  }
  return { shape, data: sources(shapeOf(x), shape).map((from) => data[from]) };
}

/** Undo broadcasting: sum a gradient to the shape of its input. */
export function sumTo(gradient, like) {
  if (isNumber(gradient) && isNumber(like)) return gradient;
  const shape = shapeOf(like);
  const data = new Array(sizeOf(shape)).fill(0);
  const given = entries(gradient);
  sources(shape, shapeOf(gradient)).forEach((to, k) => (data[to] += given[k]));
  return isNumber(like) ? data[0] : { shape, data };
}

export const add = (x, y) => map2((a, b) => a + b, x, y);
export const multiply = (x, y) => map2((a, b) => a * b, x, y);
export const divide = (x, y) => map2((a, b) => a / b, x, y);
export const negate = (x) => map((a) => -a, x);

export function transpose(x) {
  const [rows, columns] = x.shape.slice(-2);
  const stack = x.shape.slice(0, -2);
  const data = sources([], [...stack, columns, rows]);
  const size = rows * columns;
  data.forEach((_, k) => {
    const [sheet, at] = [Math.floor(k / size) * size, k % size];
    data[k] = x.data[sheet + (at % rows) * columns + Math.floor(at / rows)];
  });
  return { shape: [...stack, columns, rows], data };
}

export function product(x, y) {
  const [rows, inner] = x.shape.slice(-2);
  const columns = columnsOf(y);
  const stack = broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const [a, b] = [x, y].map((v) => ({
    data: v.data,
    sheets: sources(v.shape.slice(0, -2), stack),
    size: sizeOf(v.shape.slice(-2)),
  }));
  const data = [];
  a.sheets.forEach((_, sheet) => {
    const [p, q] = [a.sheets[sheet] * a.size, b.sheets[sheet] * b.size];
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        let total = 0;
        for (let k = 0; k < inner; k += 1) total += a.data[p + i * inner + k] * b.data[q + k * columns + j];
        data.push(total);
      }
    }
  });
  return { shape: [...stack, rows, columns], data };
}

export const reshape = (x, shape) => ({ shape, data: entries(x) });
export const asRow = (x) => (x.shape.length > 1 ? x : reshape(x, [1, ...x.shape]));
export const asColumn = (y) => (y.shape.length > 1 ? y : reshape(y, [...y.shape, 1]));

/** The shape of a sum over `axis` with the summed axes kept as 1. */
export function kept(shape, axis) {
  const axes = axis == null ? shape.map((_, k) => k) : [axis].flat();
  const summed = new Set(axes.map((k) => (k < 0 ? k + shape.length : k)));
  return shape.map((n, k) => (summed.has(k) ? 1 : n));
}
