// Numbers: how one is shown, how one is typed, and how Python's JSON is read.

import { isNumber, shapeText } from "./arrays.js";

/** A number as the reader sees it; the same rule as `display` in chainrule/narration.py. */
export function display(value, digits = 4) {
  if (!isNumber(value)) return shapeText(value);
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  const exponent = Number(size.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 6) return sign + trim(size.toFixed(Math.max(0, digits - 1 - exponent)));
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  return `${sign}${trim(mantissa)}e${power.replace("+", "").replace("-", "−")}`;
}

function trim(digits) {
  return digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
}

/** A fixed exponent as it stands behind its base: ², ⁻¹, ^0.5. */
export function raised(exponent) {
  const text = display(exponent);
  if (/^[−\d]+$/.test(text)) return [...text].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["−0123456789".indexOf(c)]).join("");
  return exponent < 0 ? `^(${text})` : `^${text}`;
}

/** A number with as many digits, from four to two, as `room` characters hold; `fit` in chainrule/narration.py. */
export function fit(value, room) {
  const texts = [4, 3, 2].map((digits) => display(value, digits));
  const found = texts.find((text) => text.length <= room);
  if (found || !(Math.abs(value) < 1) || room >= 7) return found ?? texts[2];
  const sign = value < 0 ? "−" : "";
  const near = Math.abs(value).toFixed(Math.max(room - 2 - sign.length, 0));
  return Number(near) ? sign + near : near; // 0.00 has no sign
}

/** The number that a reader typed, or null: a decimal point or comma, and any minus sign. */
export function parseNumber(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain))
    ? Number(plain)
    : null;
}

const SPECIAL = { NaN, Infinity, "-Infinity": -Infinity };

/** Undo `encode` of chainrule/trace.py: a number, or {shape, data} for an array with axes. */
export function decode(value) {
  if (value == null || isNumber(value)) return value;
  if ("float" in value) return SPECIAL[value.float];
  const data = value.data.map(decode);
  return value.shape.length === 0 ? data[0] : { shape: value.shape, data };
}

/** The full-precision number, or nested lists of them, as JSON text. */
export function exact(value) {
  if (isNumber(value)) return Object.is(value, -0) ? "-0" : String(value);
  const nest = (shape, data) => {
    if (shape.length === 0) return exact(data[0]);
    const size = data.length / shape[0];
    const rows = Array.from({ length: shape[0] }, (_, k) =>
      nest(shape.slice(1), data.slice(k * size, (k + 1) * size)),
    );
    return `[${rows.join(",")}]`;
  };
  return nest(value.shape, value.data);
}
