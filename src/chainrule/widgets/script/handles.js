// Handles in a picture: what a slider of the explorer, the scene and the replay is taken by; and buttons over it.

import { element, press, word } from "./parts.js";

/** A row of buttons over the picture, one a choice, which call act(position); the answer presses the one at a position. */
export function choosers(svg, name, texts, act) {
  const made = texts.map((text, position) => word(text, () => act(position)));
  svg.parentNode.before(element("div", { class: "chainrule-choosers", role: "group", "aria-label": name }, name, ...made));
  return (at) => made.forEach((one, position) => press(one, position === at));
}

/** Make a slider the handle that stands in a picture: the input is its own thumb, and `place` puts it to a pixel. */
export function thumb(svg, input) {
  const { width, height } = svg.viewBox.baseVal;
  input.classList.add("chainrule-thumb");
  input.place = (x, y) => Object.assign(input.style, { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%` });
  input.addEventListener("touchstart", (event) => event.preventDefault()); // a finger on it scrolls nothing
  svg.parentNode.append(input);
}

/** Call act(x, y, pressed) with pixels of the picture while it is dragged; it returns the slider that the keys are for. */
export function draggable(svg, act) {
  const area = svg.parentNode; // with the handles, which lie over the picture
  const tell = (event) => {
    if (!event.buttons) return;
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const pressed = event.type === "pointerdown";
    const input = act((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, pressed);
    if (!pressed) return;
    area.setPointerCapture(event.pointerId);
    input.focus({ preventScroll: true });
  };
  for (const type of ["pointerdown", "pointermove"]) area.addEventListener(type, tell);
  area.addEventListener("mousedown", (event) => event.preventDefault()); // or it would select text
}
