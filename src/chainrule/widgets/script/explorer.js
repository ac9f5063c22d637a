// The explorer: a slider along recorded curves, and a choice of recorded runs. It computes no curve.

import { isNumber } from "./arrays.js";
import { choosers, draggable, thumb } from "./handles.js";
import { decode, display } from "./numbers.js";
import { element, label, room } from "./parts.js";

/** The pixel of a number on an axis of Python's, or null where it has no place; `Axis.at`. */
export function placeOn([log, low, high, start, end], value) {
  if (!Number.isFinite(value) || (log && value <= 0)) return null;
  return start + (((log ? Math.log10(value) : value) - low) / (high - low)) * (end - start);
}

const tenth = (pixel) => Math.round(pixel * 10) / 10;

/** The points of a curve, null for one that has no place; `points_of`. */
export function pointsOf(xs, ys, across, up) {
  return ys.map((y, k) => {
    const place = [placeOn(across, xs[k]), placeOn(up, y)];
    return place.includes(null) ? null : place.map(tenth);
  });
}

/** The paths of a curve: line, dots, crosses; `line_path` and its sisters. */
export function curvePaths(points, kinks, dotted) {
  const line = points.map((p, k) => (p ? (points[k - 1] ? `L${p.join(" ")}` : `M${p.join(" ")}h0`) : ""));
  const dots = points.map((p) => (p && dotted ? `M${p.join(" ")}h0` : ""));
  const crosses = kinks.map((k) => (points[k] ? `M${points[k].join(" ")}m-4-4l8 8m0-8l-8 8` : ""));
  return [line, dots, crosses].map((parts) => parts.join(""));
}

/** Put a mark on a point, or hide it where there is none. */
export function setMark(mark, point) {
  mark.setAttribute("visibility", point ? "visible" : "hidden");
  if (point) mark.setAttribute("transform", `translate(${point.join(" ")})`);
}

/** Make one served explorer live. */
export function mountExplorer(figure, host) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const { grid, across, up, settings } = data;
  const [x, kink] = data.names;
  const records = data.records.map((record) => {
    const ys = record.ys.map((curve) => curve.map(decode));
    // of curves that are one, the first alone has a place for its name, and is drawn
    const points = ys.map((curve, k) => (record.places[k] ? pointsOf(grid, curve, across, up) : []));
    return { ...record, ys, points };
  });
  const all = (selector) => [...figure.querySelectorAll(selector)];
  const svg = figure.querySelector(".chainrule-chart");
  const desc = svg.querySelector("desc");
  const [curves, marks, names] = [all(".curve"), all(".mark"), all(".chainrule-chart > text")];
  const [guide, note, notes] = [svg.querySelector(".guide"), figure.querySelector(".chainrule-said"), all(".chainrule-notes li")];
  const [table, ...others] = all(".chainrule-wide table");
  const rows = [...table.tBodies[0].rows];
  let index = Number(figure.dataset.index);
  let record;

  const last = grid.length - 1;
  const slider = element("input", { type: "range", min: 0, max: last, step: 1, "aria-label": x });
  slider.addEventListener("input", () => go(Number(slider.value)));
  thumb(svg, slider);
  const now = [];
  const shows = settings.map(([name, values], k) => choosers(svg, name, values.map((one) => (isNumber(one) ? display(one) : one)), (at) => {
    choose(now.map((one, n) => (n === k ? values[at] : one)));
    host.tell("chosen", Object.fromEntries(settings.map(([name], k) => [name, now[k]])));
  }));
  for (const other of others) other.hidden = true; // a choice shows them
  const look = element("button", { type: "button", class: "chainrule-look" }, figure.dataset.reveal ?? "");
  look.addEventListener("click", () => {
    reveal(true);
    host.tell("revealed", true);
    slider.focus(); // the button is gone
  });
  svg.parentNode.after(look);
  reveal(!figure.dataset.reveal);
  draggable(svg, point);
  if (note) room(note, ...notes.map((one) => one.lastChild.textContent));
  choose(data.chosen);

  /** A bet shows its axes alone until it is placed. */
  function reveal(now) {
    figure.classList.toggle("veiled", !now);
    look.hidden = now;
    if (now) svg.prepend(desc);
    else desc.remove();
  }

  /** Show the record of these choices: a value for each setting. */
  function choose(chosen) {
    let at = 0;
    settings.forEach(([, values], k) => {
      const picked = values.indexOf((now[k] = chosen[k]));
      shows[k](picked);
      at = at * values.length + picked;
    });
    record = records[at];
    curves.forEach((curve, k) => {
      const paths = curvePaths(record.points[k], record.kinks[k], data.dots);
      [...curve.children].forEach((path, part) => path.setAttribute("d", paths[part]));
      const place = record.places[k];
      names[k].setAttribute("visibility", place ? "visible" : "hidden");
      ["x", "y"].forEach((side, part) => names[k].setAttribute(side, place ? place[part] : 0));
    });
    const [called, described, left] = record.texts;
    for (const one of notes) one.hidden = !(one.dataset.of ?? `${at}`).split(" ").includes(`${at}`);
    table.caption.textContent = called;
    desc.textContent = described;
    figure.querySelector(".chainrule-left-out").textContent = left;
    rows.forEach((row, at) => record.ys.forEach((_, k) => (row.cells[k + 1].textContent = shown(k, at))));
    move(index);
  }

  function shown(k, at) {
    return display(record.ys[k][at]) + (record.kinks[k].includes(at) ? ` (${kink})` : "");
  }

  function go(to) {
    if (to === index) return;
    move(to);
    host.tell("index", index);
  }

  /** Show a point of the grid. */
  function move(to) {
    index = to;
    figure.dataset.index = index;
    const value = display(grid[index]);
    const cells = all(".chainrule-readout td");
    cells.forEach((cell, k) => (cell.textContent = shown(k, index)));
    figure.querySelector(".chainrule-at").textContent = label("explorer.at", { x, value });
    const place = tenth(placeOn(across, grid[index]));
    slider.value = index;
    slider.place(place, up[3]);
    const values = all(".chainrule-readout tbody tr").map((row) => `${row.cells[0].textContent.trim()} ${row.cells[1].textContent}`);
    slider.setAttribute("aria-valuetext", [`${x} = ${value}`, ...values].join("; "));
    guide.setAttribute("transform", `translate(${place} 0)`);
    marks.forEach((mark, k) => setMark(mark, record.points[k][index]));
    rows.forEach((row, k) => row.classList.toggle("now", k === index));
    if (note) tellNotes();
  }

  /** The notes for this point, written only when they change, so that each is heard once. */
  function tellNotes() {
    const here = notes.filter(({ hidden, dataset }) => !hidden && dataset.first <= index && index <= dataset.last);
    const said = here.flatMap((one, k) => [...(k ? [" "] : []), ...one.lastChild.cloneNode(true).childNodes]);
    const before = note.textContent;
    const next = element("p", {}, ...said);
    if (next.textContent !== before) note.replaceChildren(...next.childNodes);
  }

  /** A press or a drag on the picture takes the slider to the nearest point. */
  function point(at) {
    const far = grid.map((value) => Math.abs(placeOn(across, value) - at));
    go(far.indexOf(Math.min(...far)));
    return slider;
  }

  return { destroy() {}, update: { index: move, revealed: reveal, chosen: (value) => choose(settings.map(([name]) => value[name])) } };
}
