// The quiz: the choices become radio buttons, and whoever picks one reads and hears its reason.

import { element } from "./parts.js";

/** Make one served quiz live. */
export function mountQuiz(figure, host) {
  const answers = [...figure.querySelectorAll("details")];
  const said = element("p", { class: "chainrule-said", role: "status" });
  const radios = answers.map((answer) => {
    const radio = element("input", { type: "radio", name: figure.dataset.name, value: answer.dataset.choice });
    radio.addEventListener("change", () => {
      show(answer.dataset.choice);
      host.tell("choice", answer.dataset.choice);
    });
    return radio;
  });
  const rows = answers.map((answer, k) => element("label", {}, radios[k], element("span", {}, ...copies(answer.firstChild))));
  rows.forEach((row, k) => (row.style.order = 2 * k));
  figure.querySelector("fieldset").append(element("div", { class: "chainrule-choices" }, ...rows, said));
  figure.addEventListener("submit", (event) => event.preventDefault()); // Enter asks no server
  show(answers.find((answer) => answer.open)?.dataset.choice ?? "");

  /** Show the reason under the choice. The one live region stays in place, so that it is heard. */
  function show(choice) {
    const picked = answers.findIndex((answer) => answer.dataset.choice === choice);
    figure.dataset.answer = answers[picked]?.dataset.answer ?? "";
    radios.forEach((radio, k) => (radio.checked = k === picked));
    said.style.order = 2 * picked + 1;
    said.replaceChildren(...(picked < 0 ? [] : copies(answers[picked].lastChild)));
  }

  return { destroy() {}, update: { choice: show } };
}

const copies = (place) => [...place.cloneNode(true).childNodes];
