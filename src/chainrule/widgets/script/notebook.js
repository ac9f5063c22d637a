// The door for notebooks: `render`, through anywidget.

import { KINDS, kindOf, live } from "./main.js";

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
