// The parts that every figure is built from: elements, buttons, coloured sentences, and the player.

import { WORDS } from "./words.js";

const ICONS = {
  previous: "M16 5l-9 7 9 7z",
  first: "M6 5v14M19 5l-9 7 9 7z",
  last: "M18 5v14M5 5l9 7-9 7z",
  Play: "M8 5l10 7-10 7z",
  Pause: "M8 5v14M16 5v14",
};

/** The same element, with these attributes and children too. */
export function dressed(made, attributes, children = []) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const element = (tag, attributes = {}, ...children) => dressed(document.createElement(tag), attributes, children);
export const vector = (tag, attributes = {}, ...children) => dressed(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function icon(name) {
  return vector("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, vector("path", { d: ICONS[name] }));
}

/** A button with an accessible name. aria-disabled, not disabled, says that it leads nowhere. */
export function button(name, act, ...content) {
  const made = element("button", { type: "button", "aria-label": name, title: name }, ...content);
  made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && act());
  return made;
}

/** A button that bears its name as a word. */
export function word(name, act) {
  const made = button(name, act, name);
  made.className = "chainrule-word";
  return made;
}

/** A word that is on or off. */
export function toggle(name, act) {
  const made = word(name, act);
  made.classList.add("chainrule-switch");
  press(made, false);
  return made;
}

export const press = (made, on) => made.setAttribute("aria-pressed", String(on));
export const setDisabled = (made, disabled) => made.setAttribute("aria-disabled", String(disabled));

/** A template as [kind, text] parts; a slot is {x} or {x.name}, and it holds [kind, text] or a list of them. */
export function fill(template, slots) {
  if (!cut.has(template)) cut.set(template, template.split(/\{([a-z]+(?:\.[a-z]+)?)\}/));
  const parts = cut.get(template).flatMap((part, k) => {
    const held = k % 2 ? slots[part] : ["", part];
    return Array.isArray(held[0]) || held.length === 0 ? held : [held];
  });
  return bracketed(parts.filter(([, text]) => text !== ""));
}

/** Negative numbers in parentheses behind an operator and under a power; as in chainrule/narration.py. */
export function bracketed(parts) {
  return parts.map(([kind, text], k) => {
    const [before, after] = [k ? parts[k - 1][1].trimEnd() : "", parts[k + 1]?.[1] ?? ""];
    const wanted = kind && text.startsWith("−") && (/[+−×÷^/@]$/.test(before) || /^[\^⁻⁰¹²³⁴⁵⁶⁷⁸⁹]/.test(after));
    return [kind, wanted ? `(${text})` : text];
  });
}

/** "× 3", or "× (−3)". */
export const scaled = (factor) => plain(bracketed([["", "× "], ["value", factor]]));

const cut = new Map(); // template -> text and slots in turn

export const plain = (parts) => parts.map(([, text]) => text).join("");

/** A label from the table of words, its slots filled with plain texts: label("counter", {now: 3}). */
export function label(name, slots = {}) {
  return WORDS.labels[name].replace(/\{([a-z]+)\}/g, (_, slot) => slots[slot]);
}

/** Write parts into an element: numbers wear their colours, a title is bold, all else is text. */
export function write(place, parts) {
  const made = { "": (text) => text, title: (text) => element("b", {}, text) };
  const spans = parts.map(([kind, text]) => (made[kind] ?? ((words) => element("span", { class: kind }, words)))(text));
  place.replaceChildren(...spans);
  return place;
}

/** Keep room for the longest of these texts, which the style lays out unseen: what stands below does not move. */
export function room(place, ...texts) {
  for (const text of texts) if (text.length > (place.dataset.room ?? "").length) place.dataset.room = text;
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---------------------------------------------------------------- the player

const PAUSE = 1400; // milliseconds between the steps of Play at normal speed: time to read a sentence
const SPEEDS = [0.5, 1, 2, 4];

/**
 * The controls that walk through `last` steps: buttons, a scrubber, speed, a counter.
 *
 * show(now, before)  is called whenever the step changes, with the step before
 * turn               where the second half starts: Play rests there; none by default
 * count(now)         the text of the counter
 * allow(to)          the step that a reader who asks for `to` gets; `to` itself by default
 * pause              milliseconds between the steps of Play; a reader who wants calm gets at least the usual ones
 *
 * Returns { element, now(), rest(), go(to), move(to), set(to), pause(), key(event), pace() }: `move` pauses,
 * `go` does not, and `set` changes the controls alone; `rest` says whether Play is off; `pace` is the time
 * of a step in milliseconds.
 */
export function player({ last, turn = -1, name, show, count, allow = (to) => to, pause: wanted = PAUSE }) {
  let now = 0;
  let timer = null;
  const buttons = {};
  for (const [key, act] of [
    ["next", () => move(now + 1)],
    ["previous", () => move(now - 1)],
    ["first", () => move(0)],
    ["last", () => move(last)],
    ["Play", () => (timer === null ? play() : pause())],
  ]) {
    buttons[key] = button(label(key), act, key in ICONS ? icon(key) : label(key));
  }
  buttons.next.classList.add("chainrule-next");
  const scrubber = element("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": label("step") });
  scrubber.style.setProperty("--steps", last);
  scrubber.style.setProperty("--turn", turn > 0 ? turn / last : 1);
  scrubber.addEventListener("input", () => move(Number(scrubber.value)));
  const speed = element("select", { "aria-label": label("speed") });
  for (const pace of SPEEDS) speed.append(element("option", { value: pace }, `${pace}×`));
  speed.value = "1";
  speed.addEventListener("change", () => timer !== null && (stop(), start()));
  const counter = element("span", { class: "chainrule-counter" });
  const row = element(
    "div",
    { class: "chainrule-controls", role: "group", "aria-label": name },
    element("span", { class: "chainrule-buttons" }, ...Object.values(buttons)),
    scrubber,
    speed,
    counter,
  );

  const pace = () => (calm() ? Math.max(wanted, PAUSE) : wanted) / Number(speed.value);

  function stop() {
    clearInterval(timer);
    timer = null;
  }

  function start() {
    timer = setInterval(() => {
      const before = now;
      go(now + 1);
      if (now === before || now === last || now === turn) pause(); // a rest before the way back
    }, pace());
  }

  function pause() {
    stop();
    showPlay();
  }

  function play() {
    if (now === last) go(0);
    start();
    showPlay();
  }

  function showPlay() {
    const key = timer === null ? "Play" : "Pause";
    buttons.Play.setAttribute("aria-label", label(key));
    buttons.Play.title = label(key);
    buttons.Play.replaceChildren(icon(key));
  }

  function move(to) {
    pause();
    go(to);
  }

  function go(to) {
    const before = now;
    set(allow(Math.min(last, Math.max(0, to))));
    if (now !== before) show(now, before);
  }

  /** Show a step in the controls alone. */
  function set(to) {
    now = to;
    scrubber.value = now;
    scrubber.style.setProperty("--at", last ? now / last : 0);
    counter.textContent = count(now);
    scrubber.setAttribute("aria-valuetext", counter.textContent);
    for (const key of ["first", "previous"]) setDisabled(buttons[key], now === 0);
    for (const key of ["next", "last"]) setDisabled(buttons[key], now === last);
  }

  const keys = {
    ArrowRight: () => move(now + 1),
    ArrowLeft: () => move(now - 1),
    Home: () => move(0),
    End: () => move(last),
    " ": () => (timer === null ? play() : pause()),
  };

  /** Act on a key pressed anywhere in the figure, unless the element it was pressed in wants it. */
  function key(event) {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const own = event.target.closest("button, summary, input, select, .chainrule-code, a, [data-keys]");
    if (own && own !== scrubber && (event.key === " " || own.matches("input, select, .chainrule-code, [data-keys]"))) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    act();
  }

  set(0);
  return { element: row, move, set, go, pause, key, pace, now: () => now, rest: () => timer === null };
}
