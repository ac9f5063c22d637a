// The scene: a picture that follows its sliders. Python drew every picture; what differs is put in here.

import { choosers, draggable, thumb } from "./handles.js";
import { element, room } from "./parts.js";

/** Make one served scene live. */
export function mountScene(figure, host) {
  const { settings, chosen, moves, handles } = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector("svg");
  const shapes = [...svg.querySelectorAll("[data-moves]")];
  const said = figure.querySelector(".chainrule-said");
  const rows = []; // a row may tell of many pictures
  for (const row of figure.querySelectorAll("tbody tr")) for (const one of row.dataset.of.split(" ")) rows[one] = row;
  const at = settings.map(([, values], k) => values.indexOf(chosen[k]));
  const controls = element("div", { class: "chainrule-sliders" });
  const shows = settings.map(([name, values, texts, numbers], k) => (numbers ? slider : buttons)(name, texts, k));
  if (controls.children.length) svg.parentNode.after(controls);
  const grips = settings.flatMap(([name], k) => (handles[name] ? [k] : []));
  let held;
  if (grips.length) draggable(svg, drag);
  room(said, ...rows.map((row) => row.lastChild.textContent));
  show();

  /** The number of a picture, with another position of the k-th setting. */
  function picture(k, position) {
    return settings.reduce((sum, [, values], one) => sum * values.length + (one === k ? position : at[one]), 0);
  }

  function slider(name, texts, k) {
    const last = texts.length - 1;
    const input = element("input", { type: "range", min: 0, max: last, step: 1, "aria-label": name });
    const value = element("span", { class: "chainrule-counter" });
    input.addEventListener("input", () => go(k, Number(input.value)));
    const own = handles[name];
    if (own) thumb(svg, input);
    else controls.append(element("label", {}, element("span", {}, name), input, value));
    return () => {
      input.value = at[k];
      input.style.setProperty("--at", last ? at[k] / last : 0);
      value.textContent = texts[at[k]];
      input.setAttribute("aria-valuetext", `${name} = ${texts[at[k]]}`);
      if (own) input.place(...own[picture()]);
      else if (settings.length > 1) input.parentNode.style.visibility = idle(k) ? "hidden" : "";
    };
  }

  function buttons(name, texts, k) {
    const show = choosers(svg, name, texts, (position) => go(k, position));
    return () => show(at[k]);
  }

  /** Whether moving the k-th setting would change nothing here: no shape, no word. */
  function idle(k) {
    const all = settings[k][1].map((_, position) => picture(k, position));
    const same = (told) => all.every((one) => told(one) === told(all[0]));
    return moves.every((attributes) => attributes.every(([, values, which]) => same((one) => values[which ? which[one] : one])))
      && same((one) => rows[one].lastChild.textContent);
  }

  /** The reader moves a setting. */
  function go(k, position) {
    if (position === at[k]) return;
    at[k] = position;
    show();
    host.tell("chosen", Object.fromEntries(settings.map(([name, values], one) => [name, values[at[one]]])));
  }

  /** A press takes the nearest handle, and it follows to the nearest of its places. */
  function drag(x, y, pressed) {
    const far = ([a, b]) => Math.hypot(a - x, b - y);
    const nearest = (all, place) => all.reduce((best, one) => (far(place(one)) < far(place(best)) ? one : best));
    if (pressed) held = nearest(grips, (k) => handles[settings[k][0]][picture()]);
    const [name, values] = settings[held];
    go(held, nearest([...values.keys()], (position) => handles[name][picture(held, position)]));
    return figure.querySelector(`.chainrule-thumb[aria-label="${CSS.escape(name)}"]`);
  }

  function show() {
    const now = picture();
    shapes.forEach((shape, k) => {
      for (const [name, values, which] of moves[k]) {
        const value = values[which ? which[now] : now];
        if (name === "text") shape.textContent = value;
        else shape.setAttribute(name, value);
      }
    });
    for (const one of shows) one();
    const words = rows[now].lastChild.cloneNode(true);
    if (words.textContent !== said.textContent) said.replaceChildren(...words.childNodes);
    svg.querySelector("desc").textContent = said.textContent;
    for (const row of rows) row.classList.toggle("now", row === rows[now]);
  }

  return {
    destroy() {},
    update: {
      chosen(value) {
        settings.forEach(([name, values], k) => (at[k] = values.indexOf(value[name])));
        show();
      },
    },
  };
}
