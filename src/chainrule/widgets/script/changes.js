// What if: numbers that the reader may change, by typing, by arrow keys, or by dragging in the picture.

import { cellName, columnsOf, entry, isNumber } from "./arrays.js";
import { display, parseNumber } from "./numbers.js";
import { element, label, setDisabled, word } from "./parts.js";

const DRAG = 6; // pixels for one step of a dragged number
const KEYS = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };

/** One step of a number: about a tenth of its size. */
const grain = (n) => 10 ** Math.floor(Math.log10(Math.max(Math.abs(n), 0.1)) - 0.3);
const stepped = (n, ways, whole) => (whole ? n + ways : Number((n + ways * grain(n)).toPrecision(12)));
const replaced = (value, flat, number) =>
  isNumber(value) ? number : { ...value, data: value.data.map((n, k) => (k === flat ? number : n)) };

/**
 * The fields for the open inputs, with undo and reset.
 *
 * inputs   [{ name, classes, get() }]: get gives a number or an array; classes is how many there are where
 *          the input is a label, else undefined
 * apply    ({ name: value }) => changes the run; throws in words if the numbers make no sense
 *
 * Returns { element, drag(svg), refresh(), complain(words) }.
 */
export function changes(inputs, apply) {
  const fields = []; // { input, name, flat, text, field }
  const past = [];
  const first = snapshot();
  const message = element("p", { class: "chainrule-message", role: "alert" });
  let session = null; // a field being typed in, or a drag: one change to undo

  function snapshot() {
    return Object.fromEntries(inputs.map((input) => [input.name, input.get()]));
  }

  const differs = (a, b) => JSON.stringify(a) !== JSON.stringify(b);

  /** Set one number. Says whether it was taken. */
  function set(field, number, within = null) {
    const { input, flat, text } = field;
    if (number === entry(input.get(), flat)) return true;
    if (input.classes !== undefined && !(Number.isInteger(number) && number >= 0 && number < input.classes)) {
      return refuse(field, label("not.label", { name: text, most: input.classes - 1 }));
    }
    const before = snapshot();
    try {
      apply({ [input.name]: replaced(input.get(), flat, number) });
    } catch (error) {
      return refuse(field, error.message);
    }
    if (within === null || within !== session) past.push(before);
    session = within;
    complain("");
    return true;
  }

  function refuse(field, why) {
    field.field.setAttribute("aria-invalid", "true");
    complain(label("stays", { why, name: field.text, value: display(entry(field.input.get(), field.flat)) }));
    return false;
  }

  function complain(words) {
    if (message.textContent !== words) message.textContent = words;
    if (!words) for (const { field } of fields) field.removeAttribute("aria-invalid");
  }

  function restore(values) {
    session = null;
    apply(values);
    complain("");
    refresh();
  }

  const undo = word(label("undo"), () => restore(past.pop()));
  const reset = word(label("reset"), () => {
    past.push(snapshot());
    restore(first);
  });

  /** Bring the fields up to the numbers, all but the one that is being typed in. */
  function refresh() {
    for (const { input, flat, field } of fields) {
      if (field === document.activeElement && session === field) continue;
      const shown = display(entry(input.get(), flat));
      if (field.value !== shown) field.value = shown;
    }
    setDisabled(undo, past.length === 0);
    setDisabled(reset, !inputs.some((input) => differs(first[input.name], input.get())));
  }

  function makeField(input, flat) {
    const value = input.get();
    const text = isNumber(value) ? input.name : `${input.name}${cellName(value, flat)}`;
    const name = text.replaceAll(", ", ",");
    const field = element("input", { name, type: "text", inputmode: "decimal", autocomplete: "off", size: 5 });
    if (!isNumber(value)) field.setAttribute("aria-label", text);
    const made = { input, flat, text, field };
    fields.push(made);
    field.addEventListener("input", () => {
      const number = parseNumber(field.value);
      if (number !== null) set(made, number, field);
    });
    field.addEventListener("change", () => {
      const number = parseNumber(field.value);
      const same = field.value === display(entry(input.get(), flat));
      const taken = same || (number === null ? refuse(made, label("not.number", { text: field.value })) : set(made, number, field));
      session = null;
      if (taken) refresh();
    });
    field.addEventListener("keydown", (event) => {
      const ways = KEYS[event.key];
      if (!ways) return;
      event.preventDefault();
      if (set(made, stepped(entry(input.get(), flat), ways, input.classes !== undefined))) refresh();
    });
    return field;
  }

  function makeInput(input) {
    const value = input.get();
    const name = element("span", { class: "chainrule-input-name" }, input.name);
    if (isNumber(value)) return element("label", {}, name, makeField(input, 0));
    const columns = columnsOf(value);
    const grid = element("span", { class: "chainrule-grid" }, ...value.data.map((_, flat) => makeField(input, flat)));
    grid.style.setProperty("--columns", columns);
    return element("div", { class: "chainrule-array", role: "group", "aria-label": input.name }, name, grid);
  }

  const [numbers, arrays] = [true, false].map((plain) => inputs.filter((input) => (isNumber(input.get())) === plain));
  const rows = numbers.map(makeInput);
  if (arrays.length) {
    const all = element("div", { class: "chainrule-arrays" }, ...arrays.map(makeInput));
    rows.push(element("details", {}, element("summary", {}, label("change")), all));
  }
  const whole = element(
    "div",
    { class: "chainrule-changes", role: "group", "aria-label": label("change") },
    ...rows,
    element("span", {}, undo, reset),
    message,
  );
  refresh();

  /** Let the open numbers of a picture be dragged to the left and right. Returns what undoes that. */
  function drag(svg) {
    const at = new Map(); // the drawn number -> its field
    for (const made of fields) {
      const group = [...svg.querySelectorAll(".variable")].find((one) => one.dataset.variable === made.input.name);
      const place = group?.querySelector(".value");
      const columns = place?.dataset.columns;
      const cell = columns
        ? place.querySelector(`[data-cell="${Math.floor(made.flat / columns)},${made.flat % columns}"]`)
        : isNumber(made.input.get()) && place;
      if (!cell) continue;
      cell.classList.add("open");
      at.set(cell, made);
    }
    let held = null;
    const down = (event) => {
      const made = at.get(event.target);
      if (!made || event.button) return;
      held = { made, x: event.clientX, from: entry(made.input.get(), made.flat), moved: false };
      event.target.setPointerCapture(event.pointerId);
    };
    const move = (event) => {
      if (!held) return;
      const ways = Math.round((event.clientX - held.x) / DRAG);
      if (ways) held.moved = true;
      if (!held.moved) return;
      const whole = held.made.input.classes;
      const to = stepped(held.from, ways, whole !== undefined);
      if (set(held.made, whole === undefined ? to : Math.min(Math.max(to, 0), whole - 1), held)) refresh();
    };
    const up = () => {
      if (held && !held.moved) {
        held.made.field.closest("details")?.setAttribute("open", "");
        held.made.field.focus();
      }
      held = null;
      session = null;
    };
    const listeners = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up };
    for (const [name, act] of Object.entries(listeners)) svg.addEventListener(name, act);
    return () => {
      for (const [name, act] of Object.entries(listeners)) svg.removeEventListener(name, act);
    };
  }

  return { element: whole, drag, refresh, complain };
}
