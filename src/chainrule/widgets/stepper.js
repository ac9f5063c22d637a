// The stepper's script: one module, used as it stands by the built pages (hydrate) and by notebooks
// (render, through anywidget). Python has drawn the figure and written every sentence; what happens
// here is that texts are filled in and classes set. Nothing is laid out.

const PAUSE = 1100; // milliseconds between the steps of Play

const ICONS = {
  First: "M6 5v14M19 5l-9 7 9 7z",
  Back: "M16 5l-9 7 9 7z",
  Play: "M8 5l10 7-10 7z",
  Pause: "M8 5v14M16 5v14",
  Forward: "M8 5l9 7-9 7z",
  Last: "M18 5v14M5 5l9 7-9 7z",
};

const SPECIAL = { NaN, Infinity, "-Infinity": -Infinity };

/** A number as the reader sees it; the same rule as `display` in chainrule/narration.py. */
export function display(number) {
  if (Number.isNaN(number)) return "not a number";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  if (number === 0) return "0";
  const size = Math.abs(number);
  const sign = number < 0 ? "−" : "";
  const exponent = exponentOf(size);
  if (exponent >= -4 && exponent < 6) {
    return sign + trim(size.toFixed(Math.max(0, 3 - exponent)));
  }
  const [mantissa, power] = size.toExponential(3).split("e");
  return `${sign}${trim(mantissa)}e${power.replace("+", "").replace("-", "−")}`;
}

function exponentOf(size) {
  // from the shortest digits that mean this number, so that 0.001 is not taken for 0.000999...
  return Number(size.toExponential().split("e")[1]);
}

function trim(digits) {
  return digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
}

/** Undo `encode` of chainrule/trace.py: a number, or {shape, data} for an array. */
export function decode(value) {
  if (value === null || typeof value === "number") return value;
  if ("float" in value) return SPECIAL[value.float];
  return { shape: value.shape, data: value.data.map(decode) };
}

function add(a, b) {
  if (typeof a === "number" && typeof b === "number") return a + b;
  return { shape: a.shape, data: a.data.map((entry, k) => entry + b.data[k]) };
}

/** The full-precision number, or nested lists of them, as JSON text. */
export function exact(value) {
  if (typeof value === "number") return Object.is(value, -0) ? "-0.0" : String(value);
  const nest = (shape, data) => {
    if (shape.length === 0) return exact(data[0]);
    const size = data.length / shape[0];
    const rows = Array.from({ length: shape[0] }, (_, k) =>
      nest(shape.slice(1), data.slice(k * size, (k + 1) * size)),
    );
    return `[${rows.join(",")}]`;
  };
  return nest(value.shape, value.data);
}

/** What is known after each step: the same as `state_after` in chainrule/drawing.py. */
export function states(trace) {
  const valued = new Set();
  trace.variables.forEach((v, i) => v.inputs.length === 0 && valued.add(i));
  const gradients = new Map();
  const returned = new Set(); // the variables whose node has run backward
  const snapshot = (active, phase) => ({
    valued: new Set(valued),
    gradients: new Map(gradients),
    returned: new Set(returned),
    active,
    phase,
  });
  const all = [snapshot(null, "start")];
  for (const step of trace.steps) {
    if (step.phase === "forward") {
      valued.add(step.variable);
    } else {
      if (!step.seed) returned.add(step.variable);
      const to = step.seed ? [step.variable] : trace.variables[step.variable].inputs;
      step.contributions.forEach((given, k) => {
        if (given === null) return;
        const share = decode(given);
        const before = gradients.get(to[k]);
        gradients.set(to[k], before === undefined ? share : add(before, share));
      });
    }
    all.push(snapshot(step.variable, step.phase));
  }
  return all;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Make one served figure live. Returns { go, destroy }; `onStep` hears of every change of step. */
export function mount(figure, { step = 0, onStep = () => {} } = {}) {
  const trace = JSON.parse(figure.querySelector("script.chainrule-trace").textContent);
  const all = states(trace);
  const last = all.length - 1;
  const turn = trace.steps.filter((s) => s.phase === "forward").length;
  const find = (selector) => figure.querySelector(selector);
  const scroll = find(".chainrule-scroll");
  const sentence = find(".chainrule-sentence");
  const ready = sentence.innerHTML;
  const rows = [...figure.querySelectorAll(".chainrule-table tr[data-row]")];
  const parts = collect(figure, trace);
  let now = 0;
  let timer = null;

  const button = (name, act) => {
    const made = element("button", { type: "button", "aria-label": name, title: name }, icon(name));
    made.addEventListener("click", () => {
      if (made.getAttribute("aria-disabled") !== "true") act();
    });
    return made;
  };
  const buttons = {
    First: button("First", () => move(0)),
    Back: button("Back", () => move(now - 1)),
    Play: button("Play", () => (timer === null ? play() : pause())),
    Forward: button("Forward", () => move(now + 1)),
    Last: button("Last", () => move(last)),
  };
  buttons.Play.classList.add("chainrule-play");
  const scrubber = element("input", { type: "range", min: 0, max: last, step: 1, value: 0 });
  scrubber.setAttribute("aria-label", "Step");
  scrubber.style.setProperty("--turn", `${(100 * turn) / last}%`);
  scrubber.addEventListener("input", () => move(Number(scrubber.value)));
  const counter = element("span", { class: "chainrule-counter" });
  const controls = element(
    "div",
    { class: "chainrule-controls", role: "group", "aria-label": "Step through the calculation" },
    ...Object.values(buttons),
    scrubber,
    counter,
  );
  const rule = element("p", { class: "chainrule-rule" });
  const code = element("pre", { class: "chainrule-code", tabindex: "0", "aria-label": "The source that ran" });
  const longest = Math.max(
    1,
    ...Object.values(trace.code).flatMap((ways) => [ways.forward.lines.length, ways.backward.lines.length]),
  );
  code.style.setProperty("--lines", longest);
  scroll.after(controls);
  sentence.after(rule, code);
  scroll.setAttribute("tabindex", "0");
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", `${figure.getAttribute("aria-label")}, picture`);
  figure.classList.add("chainrule-live");

  function pause() {
    clearInterval(timer);
    timer = null;
    showPlay();
  }

  function play() {
    if (now === last) show(0);
    timer = setInterval(() => {
      show(now + 1);
      if (now === last || now === turn) pause(); // a rest at the turn, before the way back
    }, PAUSE);
    showPlay();
  }

  function showPlay() {
    const name = timer === null ? "Play" : "Pause";
    buttons.Play.setAttribute("aria-label", name);
    buttons.Play.title = name;
    buttons.Play.replaceChildren(icon(name));
  }

  function move(to) {
    pause();
    show(to);
  }

  function show(to, tell = true) {
    now = Math.min(last, Math.max(0, to));
    const state = all[now];
    figure.dataset.step = now;
    figure.dataset.phase = state.phase;
    parts.show(state);
    const row = rows[now - 1];
    rows.forEach((each) => each.classList.toggle("now", each === row));
    sentence.innerHTML = row ? row.lastElementChild.innerHTML : ready;
    rule.textContent = row ? row.dataset.rule : "";
    showCode(code, trace, now);
    scrubber.value = now;
    scrubber.setAttribute("aria-valuetext", describe(now));
    counter.textContent = describe(now);
    setDisabled(buttons.First, now === 0);
    setDisabled(buttons.Back, now === 0);
    setDisabled(buttons.Forward, now === last);
    setDisabled(buttons.Last, now === last);
    if (now > 0) follow(scroll, parts.nodes.get(state.active));
    if (tell) onStep(now);
  }

  function describe(at) {
    return `${all[at].phase} · ${at} of ${last}`;
  }

  const keys = {
    ArrowRight: () => move(now + 1),
    ArrowLeft: () => move(now - 1),
    Home: () => move(0),
    End: () => move(last),
    " ": () => (timer === null ? play() : pause()),
  };
  function onKey(event) {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const own = event.target.closest("button, summary, input, pre");
    if (own && (event.key === " " || own === code) && own !== scrubber) return; // theirs already
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    act();
  }
  figure.addEventListener("keydown", onKey);
  show(step, false);

  return {
    go: (to) => to !== now && show(to, false),
    destroy: () => {
      pause();
      figure.removeEventListener("keydown", onKey);
    },
  };
}

function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", String(disabled));
}

/** The parts of the picture, found once, and a function that shows a state in them. */
function collect(figure, trace) {
  const by = (selector, attribute) =>
    new Map([...figure.querySelectorAll(selector)].map((found) => [found.getAttribute(attribute), found]));
  const groups = [...figure.querySelectorAll(".variable")];
  const nodes = new Map([...by(".node", "data-node")].map(([key, node]) => [Number(key), node]));
  const lines = (side) => ({ wires: by(`.${side} .wire`, "data-wire"), edges: by(`.${side} .edge`, "data-edge") });
  const edges = lines("edges");
  const backs = lines("backs");
  const later = (part, hide) => part && part.classList.toggle("later", hide);

  function show({ valued, gradients, returned, active, phase }) {
    groups.forEach((group) => {
      const i = Number(group.dataset.index);
      const value = group.querySelector(".value");
      const gradient = group.querySelector(".gradient");
      value.classList.toggle("hidden", !valued.has(i));
      if (!gradient) return;
      gradient.classList.toggle("hidden", !gradients.has(i));
      if (gradients.has(i)) {
        const total = gradients.get(i);
        gradient.dataset.exact = exact(total);
        if (typeof total === "number") gradient.textContent = display(total);
      }
    });
    trace.variables.forEach((variable, j) => {
      later(edges.wires.get(`${j}`), !valued.has(j));
      later(backs.wires.get(`${j}`), !gradients.has(j));
      later(nodes.get(j), !valued.has(j));
      const node = nodes.get(j);
      if (node) node.classList.toggle("now", j === active);
      if (node) node.classList.toggle("back", j === active && phase === "backward");
      variable.inputs.forEach((_, port) => {
        later(edges.edges.get(`${j}.${port}`), !valued.has(j));
        later(backs.edges.get(`${j}.${port}`), !returned.has(j));
      });
    });
  }
  return { nodes, show };
}

function showCode(code, trace, now) {
  const step = trace.steps[now - 1];
  const op = step && !step.seed ? trace.variables[step.variable].op : null;
  const source = op && trace.code[op] ? trace.code[op][step.phase] : { lines: [], mark: [0, -1] };
  code.replaceChildren(
    ...source.lines.map((line, k) => {
      const ran = k >= source.mark[0] && k <= source.mark[1];
      return element("span", { class: ran ? "ran" : "" }, `${line}\n`);
    }),
  );
  code.classList.toggle("empty", source.lines.length === 0);
}

/** Keep the node that runs in view where the picture is wider than the page. */
function follow(scroll, node) {
  if (!node || scroll.scrollWidth <= scroll.clientWidth) return;
  const box = node.getBoundingClientRect();
  const frame = scroll.getBoundingClientRect();
  const left = scroll.scrollLeft + box.left + box.width / 2 - frame.left - frame.width / 2;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroll.scrollTo({ left, behavior: calm ? "auto" : "smooth" });
}

const mounted = new WeakSet();

/** Make every served figure below `root` live. One that is broken says so, and harms no other. */
export function hydrate(root = document) {
  for (const figure of root.querySelectorAll(".chainrule-stepper")) {
    if (mounted.has(figure)) continue;
    mounted.add(figure);
    try {
      mount(figure, { step: Number(figure.dataset.step) });
    } catch (error) {
      const words = `This figure cannot be stepped (${error.message}). The picture and the table remain.`;
      figure.append(element("p", { class: "chainrule-broken" }, words));
    }
  }
}

function render({ model, el }) {
  el.innerHTML = model.get("html"); // made by chainrule.drawing, where every name is escaped
  const stepper = mount(el.querySelector(".chainrule-stepper"), {
    step: model.get("step"),
    onStep: (step) => {
      model.set("step", step);
      model.save_changes();
    },
  });
  const onModel = () => stepper.go(model.get("step"));
  model.on("change:step", onModel);
  return () => {
    model.off("change:step", onModel);
    stepper.destroy();
  };
}

export default { render };
