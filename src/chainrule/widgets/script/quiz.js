// The quiz: the choices become radio buttons, and whoever picks one reads and hears its reason. Where
// the question is a bet, the reasons wait for a button that says that the reader has looked.

import { element, label, setDisabled } from "./parts.js";

/** Make one served quiz live. */
export function mountQuiz(figure, host) {
  const answers = [...figure.querySelectorAll("details")];
  const said = element("p", { class: "chainrule-said", role: "status" });
  const bet = figure.dataset.reveal;
  let revealed = !bet;
  let picked = answers.findIndex((answer) => answer.open);
  const radios = answers.map((answer) => {
    const radio = element("input", { type: "radio", name: figure.dataset.name, value: answer.dataset.choice });
    radio.addEventListener("change", () => {
      show(answer.dataset.choice);
      host.tell("choice", answer.dataset.choice);
    });
    return radio;
  });
  const rows = answers.map((answer, k) => element("label", {}, radios[k], element("span", {}, ...copies(answer.firstChild))));
  const look = element("button", { type: "button", class: "chainrule-look" }, bet ?? "");
  look.addEventListener("click", () => {
    if (picked < 0) return;
    reveal(true);
    host.tell("revealed", true);
    radios[picked].focus(); // the button is gone
  });
  // every reason takes its room from the start, unseen, so that an answer moves nothing on the page
  const rooms = answers.map((answer) => element("p", { "aria-hidden": "true" }, ...reason(answer)));
  const slot = element("div", { class: "chainrule-slot" }, element("div", {}, ...(bet ? [look] : []), said), ...rooms);
  figure.querySelector("fieldset").append(element("div", { class: "chainrule-choices" }, ...rows, slot));
  figure.addEventListener("submit", (event) => event.preventDefault()); // Enter asks no server
  draw();

  /** Why an answer is right or wrong; a bet that is lost says what would have won. */
  function reason(answer) {
    const right = answers.find((one) => one.dataset.answer === "right");
    const lost = bet && answer !== right ? [" ", element("b", {}, label("quiz.was")), " ", ...copies(right.firstChild)] : [];
    return [...copies(answer.lastChild), ...lost];
  }

  function show(choice) {
    picked = answers.findIndex((answer) => answer.dataset.choice === choice);
    draw();
  }

  function reveal(now) {
    revealed = now;
    draw();
  }

  /** Show the reason, or that it waits. The one live region stays in place, so that it is heard. */
  function draw() {
    figure.dataset.answer = (revealed && answers[picked]?.dataset.answer) || "";
    radios.forEach((radio, k) => (radio.checked = k === picked));
    look.hidden = revealed;
    setDisabled(look, picked < 0);
    const text = () => (revealed ? reason(answers[picked]) : [label("quiz.bet", { button: bet })]);
    said.replaceChildren(...(picked < 0 ? [] : text()));
  }

  return { destroy() {}, update: { choice: show, revealed: reveal } };
}

const copies = (place) => [...place.cloneNode(true).childNodes];
