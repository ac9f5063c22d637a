// The grid of bets: boxes to tick, and then what is true, and whether the bet was right.

import { element, label } from "./parts.js";

/** Make one served grid live. */
export function mountBets(figure, host) {
  const details = figure.querySelector("details");
  const wide = details.querySelector(".chainrule-wide");
  const columns = [...wide.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const cells = [...wide.querySelectorAll("tbody tr")].flatMap((row) =>
    [...row.querySelectorAll("td")].map((cell, k) => {
      const name = [row.firstChild.textContent, columns[k]];
      const box = element("input", { type: "checkbox", "aria-label": name.join(", "), autocomplete: "off" });
      box.addEventListener("change", () => host.tell("bets", cells.filter((one) => one.box.checked).map((one) => one.name)));
      cell.dataset.room = cell.textContent + " ✗";
      return { name, cell, box, truth: [...cell.childNodes], happens: cell.matches(".yes") };
    }),
  );
  const look = element("button", { type: "button", class: "chainrule-look" }, details.querySelector("summary").textContent);
  look.addEventListener("click", () => {
    reveal(true);
    host.tell("revealed", true);
  });
  const said = element("p", { class: "chainrule-said", role: "status" });
  const below = element("div", {}, look, said);
  details.replaceWith(wide, below);
  reveal(false);

  function reveal(now) {
    figure.classList.toggle("revealed", now);
    look.hidden = now;
    let right = 0;
    for (const { cell, box, truth, happens } of cells) {
      const bet = box.checked === happens;
      right += bet;
      cell.classList.toggle("lost", now && !bet);
      cell.replaceChildren(...(now ? [...truth, bet ? " ✓" : " ✗"] : [box]));
    }
    said.textContent = now ? label("bets.score", { right, all: cells.length }) : "";
  }

  return {
    destroy() {},
    update: {
      bets(value) {
        for (const { name, box } of cells) box.checked = value.some((bet) => bet.join() === name.join());
        reveal(look.hidden);
      },
      revealed: reveal,
    },
  };
}
