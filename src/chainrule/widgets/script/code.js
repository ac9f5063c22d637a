// The source that ran: the line of the walk that called, and the lines of the method that did the step.

import { element, label, press, toggle } from "./parts.js";

const NO_SOURCE = { lines: [], shown: [], mark: [] };

/** The sources of step `now`: of the walk, and of the method that did the step. */
function codeOf(run, now) {
  const { code, steps, variables } = run.trace;
  const step = steps[now - 1];
  const way = step?.phase ?? "forward";
  const variable = variables[step?.variable];
  const atLoss = code[" loss"] && step?.variable === variables.length - 1;
  const caller = code[step?.seed ? " seed" : atLoss ? " loss" : ""]?.[way];
  const called = step && !step.seed && (code[run.told(variable)] ?? code[variable.op])?.[way];
  return [caller || NO_SOURCE, called || NO_SOURCE];
}

/** The folded pane under a figure, as high as its longest step: { element, show(run, now) }. */
export function codePane() {
  const loop = element("code", { class: "chainrule-loop" });
  const method = element("code", { class: "chainrule-method" });
  const more = toggle(label("whole"), () => showWhole(!whole));
  const lines = element("div", { class: "chainrule-lines", tabindex: "0", role: "group", "aria-label": label("code") }, loop, method);
  const summary = element("summary", {}, label("code"));
  const pane = element("details", { class: "chainrule-code" }, summary, lines, more);
  let whole = false;
  let shown = NO_SOURCE;

  function showWhole(on) {
    whole = on;
    press(more, on);
    writeLines(method, shown, whole);
  }

  return {
    element: pane,
    show(run, now) {
      const [caller, called] = codeOf(run, now);
      pane.style.setProperty("--rows", Math.max(...run.trace.steps.map((_, k) => codeOf(run, k + 1).flatMap((one) => one.shown).length)));
      writeLines(loop, caller, false, now > 0);
      shown = called;
      more.style.visibility = shown.shown.length < shown.lines.length ? "" : "hidden"; // its room stays
      writeLines(method, shown, whole);
    },
  };
}

function writeLines(place, { lines, shown, mark }, whole = false, ran = true) {
  const kept = whole ? lines.map((_, k) => k) : shown;
  place.replaceChildren(...kept.map((k) => {
    const line = element("span", { class: ran && mark.includes(k) ? "ran" : "" }, lines[k] || "\u00a0");
    line.style.setProperty("--indent", lines[k].search(/\S|$/)); // where a long line goes on
    return line;
  }));
  place.hidden = kept.length === 0;
}
