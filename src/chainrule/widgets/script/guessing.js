// Ask first: the next number is hidden until the reader has typed a guess.

import { cellName, entry, isNumber, sum } from "./arrays.js";
import { display, parseNumber } from "./numbers.js";
import { telling } from "./reading.js";
import { element, label, press, toggle, word } from "./parts.js";
import { GUESSES } from "./words.js";

const NEAR = 0.02; // of the answer: a guess this close is right

/**
 * The questions that step `now` answers, of the seed none: { words, told, answer, op, port, numbers, wrong, place }. told(value)
 * says the answer; numbers are those of a formula in GUESSES; wrong() lists the known mistakes of a layer as
 * [label, number]; place is the drawn number that is asked for: { i, kind, flat }.
 */
export function questions(run, now, chosen) {
  const { variables, steps } = run.trace;
  const step = steps[now - 1];
  if (step.seed) return []; // it is 1, or given
  if (step.phase === "forward") return [question(run, now, "value", step.variable, -1, chosen)];
  return run
    .receivers(step)
    .map((i, port) => [i, port, run.contributions[now - 1][port]])
    .filter(([i, , given]) => !variables[i].constant && variables[i].name !== "t" && given != null) // nobody learns targets
    .filter(([i], k, all) => all.findIndex(([j]) => j === i) === k) // of two edges from one variable, both are asked at once
    .map(([i, port]) => question(run, now, "gradient", i, port, chosen));
}

function question(run, now, kind, i, port, chosen) {
  const { variables, steps } = run.trace;
  const step = steps[now - 1];
  const { op, inputs, options } = variables[step.variable];
  const shares = kind === "value" ? [run.values[i]] : run.contributions[now - 1].filter((_, k) => run.receivers(step)[k] === i);
  const [whole] = shares;
  const place = { i, kind, flat: 0 };
  const given = inputs.map((k) => run.values[k]);
  const [z, dout] = [run.values[step.variable], run.gradient(step.variable) ?? 0];
  let { name } = variables[i];
  let words;
  if (isNumber(whole)) words = label(`ask.${kind}`, { name });
  else {
    place.flat = telling(run, place, now, chosen);
    words = label(kind === "value" ? "ask.cell" : "ask.share", { name, cell: cellName(whole, place.flat) });
    name += cellName(whole, place.flat);
  }
  const answer = sum(shares.map((share) => entry(share, place.flat)));
  let told = (value) => label(kind === "gradient" ? "ask.gets" : "ask.is", { name, value });
  if (kind === "gradient" && run.uses[i].length > 1) {
    // at a fork one piece of the gradient is asked for, not the sum that stands in the picture
    const out = variables[step.variable].name;
    words = label(shares[1] ? "ask.pieces" : "ask.piece", { name, out });
    told = (value) => label("ask.sends", { name, out, value });
  }
  // of arrays that are not stretched, the numbers that made the entry
  const at = (x) => (isNumber(x) || isNumber(whole) ? x : x?.data.length === whole.data.length ? x.data[place.flat] : NaN);
  const [x, y] = given.map(at);
  const numbers = { x, y: y ?? options.exponent, z: at(z), dout: at(dout), right: answer, own: port ? y : x };
  const slips = () => SLIPS[op]?.({ port, given, z, dout, kept: run.kept[step.variable], flat: place.flat }) ?? [];
  const wrong = () => (shares[1] ? says(["edge", entry(whole, place.flat)]) : slips());
  return { words, told, answer, cell: !isNumber(whole), op, port, numbers, wrong, place };
}

export const near = (guess, answer) => Math.abs(guess - answer) <= NEAR * Math.abs(answer) + 1e-9;

/** The sentence of the first known mistake that gives this guess, or "". */
export function mistake({ op, port, numbers, answer, wrong }, guess) {
  const known = [...(GUESSES[op] ?? []), ...GUESSES[""]].filter(([input]) => input === port || (input === null && port >= 0)).map(([, formula, said]) => [said, evaluate(formula, numbers)]);
  const made = [...(wrong?.() ?? []), ...known].find(([, would]) => Number.isFinite(would) && near(guess, would) && !near(would, answer));
  return made ? made[0] : "";
}

const SIGNS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "^": (a, b) => a ** b };

/** A formula is a number, a name, or [sign, formula, formula]. */
function evaluate(formula, numbers) {
  if (isNumber(formula)) return formula;
  if (typeof formula === "string") return numbers[formula];
  const [sign, ...parts] = formula;
  const [a, b] = parts.map((part) => evaluate(part, numbers));
  return SIGNS[sign](a, b);
}

/** What known mistakes give at entry `flat` of an output (port -1) or of a gradient: op -> slips; see layers.js, losses.js and products.js. */
export const SLIPS = {};
export const says = (...pairs) => pairs.map(([name, would]) => [label(`slip.${name}`), would]);

/** A guess: a number, or a fraction such as 2/3. */
export function parseGuess(text) {
  const [above, below, ...more] = text.split("/").map(parseNumber);
  if (below === undefined) return above;
  return more.length || above === null || !below ? null : above / below;
}

/**
 * The switch, and the form that asks.
 *
 * allow(to, now, run)   is the player's: it gives the step that the reader may see, and asks for the next one
 * acts                  { run(), chosen, reveal(to, questions), start(on), mark(place), hint(question, to) }: reveal is
 *                       called when a step was guessed or given up; start gives the step to start at; mark shows
 *                       which number is asked for (null: none), and hint how it is made
 */
export function guessing(acts) {
  let on = false;
  let reached = 0;
  let asked = 0;
  let right = 0;
  let waiting = null; // { to, all, left: questions, fresh: true before the first try }
  const field = element("input", { name: "guess", type: "text", inputmode: "text", autocomplete: "off", size: 9 });
  const words = element("span", {});
  const answer = element("span", { class: "chainrule-answer", "aria-live": "polite" });
  const score = element("span", { class: "chainrule-score" });
  const check = element("button", { type: "submit", class: "chainrule-word" }, label("ask.check"));
  const give = word(label("ask.show"), () => next());
  const row = element("span", { class: "chainrule-asked" }, element("label", {}, words, " ", field), check, give);
  const why = element("span", { class: "chainrule-why" }, label("ask.one"));
  const form = element("form", { class: "chainrule-ask", hidden: "" }, row, why, answer, score);
  const knob = toggle(label("ask"), () => turn(!on));

  function turn(to) {
    on = to;
    [asked, right] = [0, 0];
    stop();
    press(knob, on);
    form.hidden = !on;
    showScore();
    reached = acts.start(on);
    if (on) askStep(reached + 1);
  }

  function showScore() {
    score.textContent = asked ? label("ask.score", { right, asked }) : "";
  }

  function allow(to, now) {
    if (!on || to <= reached) {
      if (waiting && to !== waiting.to) stop();
      return to;
    }
    if (waiting) {
      answer.textContent = label("ask.open");
      field.focus();
    } else if (to === now + 1 && now === reached) askStep(to);
    return waiting ? now : reached;
  }

  function askStep(to) {
    const all = questions(acts.run(), to, acts.chosen);
    answer.textContent = "";
    if (!all.length) return void (reached = to);
    waiting = { to, all };
    ask(all);
  }

  function ask(left) {
    if (left.length === 0) return finish();
    Object.assign(waiting, { left, fresh: true });
    words.textContent = left[0].words;
    why.hidden = !left[0].cell;
    field.value = "";
    row.hidden = false;
    acts.mark(left[0].place);
    field.focus();
  }

  function stop() {
    waiting = null;
    row.hidden = why.hidden = true;
    answer.textContent = "";
    acts.mark(null);
  }

  function finish() {
    const { to, all } = waiting;
    const said = answer.textContent;
    reached = to;
    stop();
    answer.textContent = said;
    acts.reveal(to, all);
  }

  function next() {
    const [done, ...left] = waiting.left;
    if (waiting.fresh) asked += 1;
    answer.textContent = done.told(display(done.answer));
    showScore();
    ask(left);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!waiting) return;
    const guess = parseGuess(field.value);
    const [question, ...left] = waiting.left;
    if (guess === null) {
      answer.textContent = field.value.trim() ? label("not.number", { text: field.value }) : label("ask.open");
      return;
    }
    const hit = near(guess, question.answer);
    if (waiting.fresh) {
      asked += 1;
      right += hit;
      waiting.fresh = false;
    }
    showScore();
    if (hit) {
      answer.textContent = label("ask.right", { told: question.told(display(question.answer)) });
      ask(left);
      return;
    }
    answer.textContent = [label("ask.wrong", { value: display(guess) }), mistake(question, guess)].join(" ").trim();
    acts.hint(question, waiting.to);
    field.select();
  });

  /** The walk stands elsewhere now, on another level: ask on from there. */
  function leap(to) {
    reached = to;
    stop();
  }

  return { toggle: knob, form, allow, leap, on: () => on, reached: () => reached };
}
