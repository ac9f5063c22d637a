// Where figures come alive: `hydrate` in a built page; for a notebook, see notebook.js.

import { element, label } from "./parts.js";
import { mountBets } from "./bets.js";
import { mountExplorer } from "./explorer.js";
import { mountQuiz } from "./quiz.js";
import { mountReplay } from "./replay.js";
import { mountScene } from "./scene.js";
import { mountStepper } from "./stepper.js";

// Each takes a served figure and a host, makes it live, and returns what undoes that, and a function
// for each trait that Python may change: { destroy(), update: { step(value) {...} } }. The host is told
// what the reader does: host.tell("step", 3). host.live is true where a kernel listens.
export const KINDS = {
  "chainrule-stepper": mountStepper,
  "chainrule-quiz": mountQuiz,
  "chainrule-explorer": mountExplorer,
  "chainrule-replay": mountReplay,
  "chainrule-scene": mountScene,
  "chainrule-bets": mountBets,
};
const mounted = new WeakSet();

export function kindOf(figure) {
  return Object.keys(KINDS).find((kind) => figure.classList.contains(kind));
}

export function live(figure) {
  figure.classList.add("chainrule-live");
  figure.addEventListener("input", keepInView);
}

/** What is typed stays in view: when a phone's keyboard takes half of the window, and when a sentence above grows. */
function keepInView() {
  const field = document.activeElement;
  if (field?.matches("[class^=chainrule-] input[inputmode]")) field.scrollIntoView({ block: "nearest" });
}
globalThis.visualViewport?.addEventListener("resize", keepInView);

/** Make every served figure below `root` live. One that is broken says so, and harms no other. */
export function hydrate(root = document) {
  const alone = { live: false, tell: () => {} };
  for (const figure of root.querySelectorAll(Object.keys(KINDS).map((kind) => `.${kind}`).join())) {
    if (mounted.has(figure)) continue;
    mounted.add(figure);
    const served = new Set(figure.querySelectorAll("*"));
    try {
      KINDS[kindOf(figure)](figure, alone);
      live(figure);
    } catch (error) {
      for (const one of figure.querySelectorAll("*")) if (!served.has(one)) one.remove();
      figure.append(element("p", { class: "chainrule-broken" }, label("broken", { error: error.message })));
    }
  }
}
