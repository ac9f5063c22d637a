// Ask first: the next number is hidden until the reader has typed a guess.

import { extent } from "./arrays.js";
import { display, parseNumber } from "./numbers.js";
import { cellName } from "./reading.js";
import { button, element, label } from "./parts.js";
import { GUESSES } from "./words.js";

const NEAR = 0.02; // of the answer: a guess this close is right

/** The questions that step `now` answers: { words, answer, kind, op, port, numbers }. */
export function questions(run, now) {
  const { variables, steps } = run.trace;
  const step = steps[now - 1];
  const out = variables[step.variable];
  if (step.phase === "forward") return [question("value", out.name, run.values[step.variable], run, step, -1)];
  const receivers = run.receivers(step);
  return receivers
    .map((i, port) => [variables[i], run.contributions[now - 1][port], port])
    .filter(([variable, given]) => !variable.constant && given !== null && given !== undefined)
    .map(([variable, given, port]) => question(step.seed ? "seed" : "gradient", variable.name, given, run, step, port));
}

function question(kind, name, answer, run, step, port) {
  const { op, inputs, options } = run.trace.variables[step.variable];
  if (typeof answer === "number") {
    const [x, y] = inputs.map((i) => run.values[i]);
    const numbers = { x, y: y ?? options.exponent, z: run.values[step.variable], dout: run.gradient(step.variable) };
    return { words: label(`ask.${kind}`, { name }), answer, op: kind === "seed" ? "" : op, port, numbers };
  }
  const sizes = answer.data.map(Math.abs);
  const flat = Math.max(0, sizes.indexOf(extent(sizes)[1]));
  const cell = cellName(answer, flat);
  const words = label(kind === "value" ? "ask.cell" : "ask.share", { name, cell });
  return { words, answer: answer.data[flat], op: "", port, numbers: {} };
}

export const near = (guess, answer) => Math.abs(guess - answer) <= NEAR * Math.abs(answer) + 1e-9;

/** The sentence of the first known mistake that gives this guess, or "". */
export function mistake({ op, port, numbers, answer }, guess) {
  const known = (GUESSES[op] ?? []).filter(([input]) => input === port);
  const made = known.find(([, formula]) => {
    const would = evaluate(formula, numbers);
    return Number.isFinite(would) && near(guess, would) && !near(would, answer);
  });
  return made ? made[2] : "";
}

const SIGNS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "^": (a, b) => a ** b };

/** A formula is a number, a name, or [sign, formula, formula]. */
function evaluate(formula, numbers) {
  if (typeof formula === "number") return formula;
  if (typeof formula === "string") return numbers[formula];
  const [sign, ...parts] = formula;
  const [a, b] = parts.map((part) => evaluate(part, numbers));
  return SIGNS[sign](a, b);
}

/**
 * The switch, and the form that asks. allow(to, now, run) is the player's: it gives the step that the
 * reader may see, and asks for the next one. reveal(to) is called when a step was guessed or given up.
 */
export function guessing(reveal, onSwitch) {
  let on = false;
  let reached = 0;
  let asked = 0;
  let right = 0;
  let waiting = null; // { to, left: questions, fresh: true before the first try }
  const field = element("input", { name: "guess", type: "text", inputmode: "decimal", autocomplete: "off", size: 9 });
  const words = element("span", {});
  const answer = element("span", { class: "chainrule-answer", "aria-live": "polite" });
  const score = element("span", { class: "chainrule-score" });
  const check = element("button", { type: "submit", class: "chainrule-word" }, label("ask.check"));
  const give = button(label("ask.show"), () => next(), label("ask.show"));
  give.classList.add("chainrule-word");
  const row = element("span", { class: "chainrule-asked" }, element("label", {}, words, " ", field), check, give);
  const form = element("form", { class: "chainrule-ask", hidden: "" }, row, answer, score);
  const toggle = button(label("ask"), () => turn(!on), label("ask"));
  toggle.classList.add("chainrule-word");
  toggle.setAttribute("aria-pressed", "false");

  function turn(to) {
    on = to;
    [asked, right, waiting] = [0, 0, null];
    toggle.setAttribute("aria-pressed", String(on));
    answer.textContent = "";
    form.hidden = !on;
    row.hidden = true;
    showScore();
    reached = onSwitch(on);
  }

  function showScore() {
    score.textContent = asked ? label("ask.score", { right, asked }) : "";
  }

  function allow(to, now, run) {
    if (!on || to <= reached) {
      if (waiting && to !== waiting.to) stop();
      return to;
    }
    if (to === now + 1 && now === reached && !waiting) ask(to, questions(run, to));
    return waiting ? now : reached;
  }

  function ask(to, left) {
    if (left.length === 0) return finish(to);
    waiting = { to, left, fresh: true };
    words.textContent = left[0].words;
    field.value = "";
    row.hidden = false;
    field.focus();
  }

  function stop() {
    waiting = null;
    row.hidden = true;
  }

  function finish(to) {
    reached = to;
    stop();
    reveal(to);
  }

  function next() {
    const [done, ...left] = waiting.left;
    if (waiting.fresh) asked += 1;
    answer.textContent = label("ask.is", { value: display(done.answer) });
    showScore();
    ask(waiting.to, left);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!waiting) return;
    const guess = parseNumber(field.value);
    const [question, ...left] = waiting.left;
    if (guess === null) {
      answer.textContent = label("not.number", { text: field.value });
      return;
    }
    const hit = near(guess, question.answer);
    if (waiting.fresh) {
      asked += 1;
      right += hit;
      waiting.fresh = false;
    }
    showScore();
    answer.textContent = hit
      ? label("ask.right", { value: display(question.answer) })
      : [label("ask.wrong", { value: display(guess) }), mistake(question, guess)].join(" ").trim();
    if (hit) ask(waiting.to, left);
    else field.select();
  });

  /** The walk stands elsewhere now, on another level: ask on from there. */
  function leap(to) {
    reached = to;
    stop();
  }

  return { toggle, form, allow, leap, on: () => on, reached: () => reached };
}
