// Where figures come alive: `hydrate` in a built page, `render` in a notebook, through anywidget.

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
const KINDS = {
  "chainrule-stepper": mountStepper,
  "chainrule-quiz": mountQuiz,
  "chainrule-explorer": mountExplorer,
  "chainrule-replay": mountReplay,
  "chainrule-scene": mountScene,
  "chainrule-bets": mountBets,
};
const mounted = new WeakSet();

function kindOf(figure) {
  return Object.keys(KINDS).find((kind) => figure.classList.contains(kind));
}

function live(figure) {
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

/** anywidget's door: the figure tells Python what the reader did, and Python may answer. */
function render({ model, el }) {
  el.innerHTML = model.get("html"); // made in Python, where every name is escaped
  const figure = el.firstElementChild;
  // or Notebook would take the arrow keys for itself, before they reach the figure
  figure.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
  const host = {
    live: true,
    tell(name, value) {
      model.set(name, value);
      model.save_changes();
    },
  };
  const made = KINDS[kindOf(figure)](figure, host);
  live(figure);
  const listeners = Object.entries(made.update).map(([name, act]) => [`change:${name}`, () => act(model.get(name))]);
  for (const [event, listener] of listeners) model.on(event, listener);
  for (const [name, act] of Object.entries(made.update)) act(model.get(name));
  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
    made.destroy();
  };
}

export default { render };
