// The stepper: one node's visit at a time, forward and then backward.

import { columnsOf, isNumber, sum } from "./arrays.js";
import { changes } from "./changes.js";
import { codePane } from "./code.js";
import { edges, follow } from "./edges.js";
import { guessing } from "./guessing.js";
import { nudging } from "./nudge.js";
import { decode, exact } from "./numbers.js";
import { OPERATIONS } from "./operations.js";
import { dressed, element, label, plain, player, press, room, vector, word, write } from "./parts.js";
import { Picture } from "./picture.js";
import { hinted, reading, telling } from "./reading.js";
import { compute, places, readLayers, Run } from "./run.js";
import { WORDS } from "./words.js";

/** Make one served figure live. */
export function mountStepper(figure, host) {
  const data = JSON.parse(figure.querySelector("script.chainrule-trace").textContent);
  const model = makeModel(data);
  const scroll = figure.querySelector(".chainrule-scroll");
  const sentence = figure.querySelector(".chainrule-sentence");
  const spare = figure.querySelector("template")?.content;
  const title = figure.getAttribute("aria-label");
  const rule = element("p", { class: "chainrule-rule rule" });
  const told = element("p", { class: "chainrule-reading", "aria-live": "polite" });
  const below = element("div", { class: "chainrule-words" }, rule, told);
  const code = codePane();
  const more = edges(scroll, center);
  const note = element("p", { class: "chainrule-note" });
  const tools = element("div", { class: "chainrule-tools" });
  let level = data.level;
  const phone = matchMedia("(max-width: 30rem), (max-width: 45rem) and (orientation: portrait)"); // as in stepper.css
  const pictures = { [level]: [...scroll.children], [level === "layers" ? "nodes" : "layers"]: [...(spare?.querySelectorAll("svg") ?? [])] };
  let run = model.runs[level];
  let picture, rows, walk, undrag, pointed, pending, tall;
  let stale = new Set(); // the rows whose sentence has old numbers
  let places = null; // the entries that were asked for

  const asks = guessing({
    run: () => run,
    chosen: data.cell,
    reveal(to, asked) {
      places = Object.assign(asked.filter(({ cell }) => cell).map(({ place }) => place), { now: to });
      walk.go(to);
      scroll.focus({ preventScroll: true });
    },
    start(on) {
      if (on) nudge.off();
      figure.classList.toggle("chainrule-asking", on);
      if (walk.now() === run.last) walk.move(0);
      limitRows();
      showStep();
      return walk.now();
    },
    mark(place) {
      picture?.mark(place);
      if (place) center(walk.element);
    },
    hint({ place, port }, to) {
      const found = hinted(run, place, port, to);
      if (found) written([found]);
    },
  });
  let left = 0; // the step that a nudge was called from
  const nudge = nudging({
    run: () => run,
    picture: () => picture,
    start(on) {
      if (on && asks.on()) asks.toggle.click();
      figure.classList.toggle("chainrule-nudging", on);
      if (on) left = walk.now();
      if (on || walk.now() === run.turn) walk.move(on ? run.turn : left);
      showStep();
    },
    at(to, step) {
      const now = walk.now();
      if (now === to) return false;
      walk.set(step ? now + 1 : to);
      arrived(walk.now(), now);
      return true;
    },
    say(text, product) {
      write(sentence, [["title", `${label("nudge")}.`], ["", ` ${text}`]]);
      rule.textContent = product;
    },
  });
  const whatIf = makeChanges();
  if (data.trace.nodes) tools.append(levels());
  tools.append(asks.toggle, nudge.toggle);

  scroll.after(tools);
  tools.after(nudge.row);
  scroll.addEventListener("pointerdown", (event) => {
    const place = nudge.on() && event.target.closest(".variable");
    if (!place) return;
    event.stopPropagation(); // it is not dragged now
    const i = Number(place.dataset.index);
    const [r, c] = (event.target.dataset.cell ?? "0,0").split(",").map(Number);
    nudge.start(i, r * (run.values[i].shape?.at(-1) ?? 1) + c);
  }, true);
  nudge.row.after(below, whatIf ? whatIf.element : note);
  figure.querySelector("details.chainrule-table").before(code.element);
  scroll.addEventListener("selectstart", (event) => event.preventDefault()); // WebKit selects what user-select forbids
  dressed(scroll, { tabindex: 0, role: "group", "aria-label": label("picture", { title }) });
  build(Number(figure.dataset.step));

  // ---- the two levels

  /** Set up everything that belongs to the level shown. */
  function build(now) {
    run = model.runs[level];
    scroll.replaceChildren(pictures[level].at(phone.matches ? -1 : 0));
    picture = new Picture(scroll.firstChild, run);
    if (model.arrays) picture.svg.setAttribute("role", "group"); // or nobody could reach the grids within
    rows = [...figure.querySelectorAll(".chainrule-table tbody tr")];
    figure.dataset.steps = run.last;
    figure.dataset.level = level;
    more.watch();
    const before = figure.querySelector(".chainrule-controls");
    walk = player({ last: run.last, turn: run.turn, name: label("walk"), show, count, allow: (to) => asks.allow(to, walk.now(), run) });
    if (before) before.replaceWith(walk.element);
    else tools.before(walk.element);
    tall = picture.svg.matches(".chainrule-tall") && innerHeight > 600;
    if (tall) walk.element.append(asks.form, sentence); // they stay at the lower edge of the window
    else {
      nudge.row.after(asks.form);
      below.prepend(sentence);
    }
    undrag = whatIf ? whatIf.drag(picture.svg) : null;
    for (const node of picture.nodes.values()) node.onclick = () => walk.move(run.stepOf(Number(node.dataset.node), walk.now()));
    pointed = null;
    readable();
    walk.set(now);
    for (const one of [sentence, below]) delete one.dataset.room; // it was that of another picture
    rows.forEach((row, k) => {
      const sums = model.arrays ? readings(usual(k + 1), k + 1).map(({ parts }) => plain(parts)) : [];
      const lines = [row.lastElementChild.textContent, run.rule(k + 1), ...sums];
      if (tall) room(sentence, lines.shift());
      room(below, lines.join(LINE));
    });
    showStep();
    if (model.changed) age();
    nudge.toggle.hidden = !computed(run) || !isNumber(run.values[run.values.length - 1]);
  }

  function levels() {
    const made = ["layers", "nodes"].map((name) => {
      const one = word(label(name), () => switchTo(name));
      one.dataset.level = name;
      press(one, name === level);
      return one;
    });
    return element("span", { role: "group", "aria-label": label("level") }, ...made);
  }

  /** Show the other level, at the same place of the walk. */
  function switchTo(name) {
    if (name === level) return;
    const now = walk.now();
    const to = level === "layers" ? model.at[now] : model.at.findIndex((k) => k >= now);
    const [table, other] = [figure, spare].map((place) => place.querySelector("details.chainrule-table"));
    leave();
    table.replaceWith(other);
    spare.append(table);
    level = name;
    for (const one of tools.querySelectorAll("[data-level]")) press(one, one.dataset.level === name);
    build(to);
    asks.leap(to);
    host.tell("level", name);
    tell();
  }

  /** End all that goes on in the picture. */
  function leave() {
    walk.pause();
    nudge.off();
    picture.arrive();
    undrag?.();
  }

  function turned() {
    leave();
    build(walk.now());
  }

  // ---- a step

  function count(now) {
    return label("count", { phase: label(run.phase(now)), now, last: run.last });
  }

  function show(now, before) {
    if (now === run.turn) nudge.stop();
    else nudge.off();
    arrived(now, before);
  }

  function arrived(now, before) {
    showStep();
    center(walk.element);
    if (now === before + 1) picture.travel(now, Math.min(700, 0.5 * walk.pace()));
    tell();
  }

  function tell() {
    host.tell("step", walk.now());
  }

  function showStep() {
    const now = walk.now();
    figure.dataset.step = now;
    figure.dataset.phase = run.phase(now);
    picture.arrive();
    picture.show(now);
    picture.locals(now);
    rows.forEach((row, k) => row.classList.toggle("now", k === now - 1));
    limitRows();
    const [heading, parts] = now === 0 && asks.on() ? [`${label("ask")}.`, [["", label("ask.start")]]] : run.sentence(now);
    const rest = now === run.turn && !walk.rest() ? [["", ` ${label("turn")}`]] : [];
    write(sentence, [["title", heading], ["", " "], ...parts, ...rest]);
    rule.textContent = run.rule(now);
    code.show(run, now);
    read(pointed ? [pointed] : usual(now));
  }

  /** Keep the running node and what it made in view, or the number that is asked for; without a dock the page itself does not move. */
  function center(dock) {
    const step = run.trace.steps[walk.now() - 1];
    const parts = [...picture.svg.querySelectorAll(".asked")];
    if (step) {
      const made = step.phase === "forward" ? [step.variable] : run.receivers(step);
      parts.push(picture.node(step.variable), ...made.map((i) => picture.variables[i].group));
    }
    follow(scroll, parts, tall && dock);
  }

  /** While the figure asks, the table says no more than the picture. */
  function limitRows() {
    rows.forEach((row, k) => (row.hidden = asks.on() && k >= Math.max(asks.reached(), walk.now())));
  }

  // ---- what if

  function makeChanges() {
    const foreign = model.base.trace.variables.find(({ op }) => op && !(op in OPERATIONS || op in WORDS));
    const able = computed(model.base);
    if (foreign && !(host.live && data.open.length)) {
      note.textContent = label("not.editable", { op: foreign.op });
      return null;
    }
    if (data.open.length === 0 || !(able || host.live)) return null;
    return changes(data.open.map((name) => model.input(name)), (values) => {
      model.change(values, able);
      host.tell("inputs", model.plain(data.open, values));
      refresh();
    });
  }

  /** After a change of numbers: everything that shows one. */
  function refresh() {
    nudge.off();
    age();
    whatIf?.refresh();
    showStep();
  }

  /**
   * All sentences of the table are old: write anew at once those that can be seen, the others a few a frame, so
   * that a long table does not hold up the picture.
   */
  function age() {
    stale = new Set(rows);
    freshen(rows[0].closest("details").open ? rows.filter(inWindow) : []);
  }

  function freshen(some) {
    cancelAnimationFrame(pending);
    for (const row of some) {
      const [heading, parts] = run.sentence(rows.indexOf(row) + 1);
      row.lastElementChild.textContent = `${heading} ${plain(parts)}`;
      stale.delete(row);
    }
    if (stale.size) pending = requestAnimationFrame(() => freshen([...stale].slice(0, FEW)));
  }

  // ---- reading an array, entry by entry

  /** The entries that are read where the reader points at none: a telling one of each result of the step. */
  function usual(now) {
    if (now === 0) return [];
    if (places?.now === now) return places;
    const step = run.trace.steps[now - 1];
    const kind = step.phase === "forward" ? "value" : "gradient";
    const results = kind === "value" ? [step.variable] : step.seed ? [] : [...new Set(run.receivers(step))];
    return results
      .filter((i) => !run.trace.variables[i].constant && group(i, kind)?.dataset.box)
      .map((i) => ({ i, kind, flat: telling(run, { i, kind }, now, data.cell) }));
  }

  function readings(wanted, now) {
    return wanted.map(({ i, kind, flat }) => reading(run, i, kind, flat, now)).filter(Boolean);
  }

  function read(wanted) {
    told.hidden = !model.arrays;
    for (const { i, kind, flat } of wanted) if (kind === "gradient") picture.tellPieces(i, flat, walk.now());
    written(readings(wanted.filter(drawn), walk.now()));
  }

  /** Write sums out, a line each, and mark what went into the first. */
  function written(found) {
    for (const rect of picture.svg.querySelectorAll(".lit")) rect.remove();
    if (found.length === 0) told.textContent = model.arrays ? label("read.none") : "";
    else told.replaceChildren(...found.map(({ parts }) => write(element("span", {}), parts)));
    found.forEach(({ lit }, n) => lit.slice(0, n ? 1 : lit.length).forEach(([i, kind, cells], k) => cells.forEach((flat) => light(i, kind, flat, k === 0))));
  }

  function group(i, kind) {
    return picture.variables[i].group.querySelector(`g.${kind}`);
  }

  function drawn({ i, kind }) {
    const place = group(i, kind);
    return place?.dataset.box && !place.classList.contains("hidden");
  }

  function light(i, kind, flat, own) {
    if (!drawn({ i, kind })) return;
    const place = group(i, kind);
    const [left, top, ...wide] = place.dataset.box.split(" ").map(Number);
    const [r, c] = [Math.floor(flat / wide.length), flat % wide.length];
    const { x, width } = own
      ? place.querySelector(`[data-cell="${r},${c}"]`).getBBox() // its number alone
      : { x: left + sum(wide.slice(0, c)) + 2, width: wide[c] - 6 };
    place.prepend(vector("rect", { class: own ? "lit own" : "lit", x: x - 3, y: top + r * ROW + 0.5, width: width + 6, height: ROW - 1, rx: 3 }));
  }

  /** Let every grid be pointed at, and be read with the arrow keys. */
  function readable() {
    for (const place of picture.svg.querySelectorAll("g.value[data-box], g.gradient[data-box]")) {
      const i = Number(place.closest(".variable").dataset.index);
      const kind = place.classList.contains("value") ? "value" : "gradient";
      const cells = [...place.querySelectorAll("[data-cell]")];
      let flat = 0;
      const point = (to) => {
        flat = to;
        pointed = { i, kind, flat };
        read([pointed]);
      };
      const leave = () => {
        pointed = null;
        read(usual(walk.now()));
      };
      const [left, top, ...wide] = place.dataset.box.split(" ").map(Number);
      const columns = wide.length;
      const rows = cells.length / columns;
      const ground = vector("rect", { class: "ground", x: left, y: top, width: sum(wide), height: rows * ROW });
      place.prepend(ground); // between the digits too
      const under = (event) => {
        const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(ground.getScreenCTM().inverse());
        const count = (sizes, at) => Math.max(sizes.filter((_, k) => at >= sum(sizes.slice(0, k))).length - 1, 0);
        return count(new Array(rows).fill(ROW), y - top) * columns + count(wide, x - left);
      };
      place.addEventListener("pointermove", (event) => {
        const to = under(event);
        if (to !== flat || !pointed) point(to);
      });
      place.addEventListener("click", (event) => point(under(event)));
      place.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
      const name = run.trace.variables[i].name;
      const words = label("read.matrix", { name, kind: label(kind), rows, columns });
      dressed(place, { tabindex: 0, role: "application", "aria-label": words, "data-keys": "" });
      place.addEventListener("focus", () => point(flat));
      place.addEventListener("blur", leave);
      place.addEventListener("keydown", (event) => {
        const ways = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
        if (!ways) return;
        event.preventDefault();
        event.stopPropagation();
        if (cells[flat + ways]) point(flat + ways);
      });
    }
  }

  // a printed figure is one that has run
  const paper = matchMedia("print");
  const onPaper = () => (paper.matches ? picture.show(run.last) : showStep());
  paper.addEventListener("change", onPaper);
  phone.addEventListener("change", turned);

  const onKey = (event) => walk.key(event);
  figure.addEventListener("keydown", onKey);

  return {
    destroy() {
      walk.pause();
      nudge.stop();
      picture.arrive();
      more.destroy();
      cancelAnimationFrame(pending);
      figure.removeEventListener("keydown", onKey);
      paper.removeEventListener("change", onPaper);
      phone.removeEventListener("change", turned);
    },
    update: {
      level: (name) => name in model.runs && switchTo(name),
      step(to) {
        if (to === walk.now() || to > run.last) return;
        walk.set(to);
        showStep();
        center();
      },
      numbers(text) {
        if (!text || !model.install(JSON.parse(text))) return;
        refresh();
      },
      problem: (words) => whatIf?.complain(words ?? ""),
    },
  };
}

const FEW = 40; // rows of a table that are written in one frame
const LINE = " -- -- --\n".padStart(80); // between lines: a line more is longer than any that is full
const ROW = 17; // the height of a row of a grid, as in chainrule/layout.py

/** The runs behind a figure: of its nodes, and of its layers where it has any. */
function makeModel(data) {
  const { trace } = data;
  const base = new Run(trace.nodes ?? trace);
  const layers = trace.nodes && new Run(trace);
  if (!["layers", "nodes"].includes(data.level)) throw new Error("no such level");
  const runs = layers ? { layers, nodes: base } : { [data.level]: base };
  const reads = trace.reads;

  const model = { changed: false };

  function install(numbers) {
    model.changed = true;
    base.set(numbers);
    if (layers) layers.set(readLayers(layers, reads, base));
  }

  /** Where an open input is: its index in the base, and how many classes where it is a label. */
  function place(name) {
    const [[index, way]] = layers ? reads[layers.names.get(name)] : [[base.names.get(name), "same"]];
    const value = base.values[index];
    return { index, classes: way === "class" ? columnsOf(value) : undefined };
  }

  const top = layers ?? base;
  const known = (name) => top.values[top.names.get(name)];

  function oneHot(classes, value) {
    const labels = isNumber(classes) ? [classes] : classes.data;
    const data = labels.flatMap((right) => Array.from({ length: value }, (_, c) => Number(c === right)));
    return { shape: isNumber(classes) ? [value] : [labels.length, value], data };
  }

  return Object.assign(model, {
    base,
    runs,
    at: layers && places(layers, reads, base),
    arrays: base.values.some((value) => !isNumber(value)),
    input: (name) => ({ name, classes: place(name).classes, get: () => known(name) }),

    /** Change inputs, { name: value }; the old numbers stay if the new ones make no sense. */
    change(values, here) {
      const leaves = [...base.values];
      for (const [name, value] of Object.entries(values)) {
        const { index, classes } = place(name);
        leaves[index] = classes === undefined ? value : oneHot(value, classes);
      }
      if (here) install(compute(base.trace, leaves));
    },

    /** The open inputs as plain data for Python. */
    plain: (open, values) =>
      Object.fromEntries(open.map((name) => [name, JSON.parse(exact(values[name] ?? known(name)))])),

    /** Take over numbers that Python computed. Says whether they differ from those shown. */
    install({ values, contributions }) {
      const numbers = { values: values.map(decode), contributions: contributions.map((all) => all.map(decode)) };
      const same = JSON.stringify(numbers.values) === JSON.stringify(base.values);
      if (!same) install(numbers);
      return !same;
    },
  });
}

/** Whether all operations of a run are known here, so that its numbers can be computed anew. */
const computed = ({ trace }) => trace.variables.every(({ op }) => !op || op in OPERATIONS);

function inWindow(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
