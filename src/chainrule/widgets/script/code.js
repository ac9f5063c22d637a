// The source that ran: the line of the walk that called, and the lines of the method that did the step.

import { element, label, press, toggle } from "./parts.js";

const NO_SOURCE = { lines: [], shown: [], mark: [] };

/** The pane under a figure, folded where nothing has run yet: { element, show(run, now) }. */
export function codePane(step) {
  const loop = element("code", { class: "chainrule-loop" });
  const method = element("code", { class: "chainrule-method" });
  const more = toggle(label("whole"), () => showWhole(!whole));
  const lines = element("div", { class: "chainrule-lines", tabindex: "0", role: "group", "aria-label": label("code") }, loop, method);
  const summary = element("summary", {}, label("code"));
  const pane = element("details", { class: "chainrule-code" }, summary, lines, more);
  pane.open = step > 0 && !matchMedia("(max-width: 36rem)").matches;
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
      const { trace } = run;
      const step = trace.steps[now - 1];
      const way = step?.phase ?? "forward";
      const variable = step && trace.variables[step.variable];
      const atLoss = trace.code[" loss"] && step?.variable === trace.variables.length - 1;
      const caller = step?.seed ? " seed" : atLoss ? " loss" : "";
      writeLines(loop, trace.code[caller]?.[way] ?? NO_SOURCE, false, Boolean(step));
      shown = step && !step.seed ? ((trace.code[run.told(variable)] ?? trace.code[variable.op])?.[way] ?? NO_SOURCE) : NO_SOURCE;
      more.hidden = shown.shown.length === shown.lines.length;
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
