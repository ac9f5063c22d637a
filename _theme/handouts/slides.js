// Arrow keys, and the keys of a presenter: a step of the figure, and behind its last step the next slide.

const slides = [...document.querySelectorAll(".slide")];
const shown = () => slides.findLast((one) => one.getBoundingClientRect().top < innerHeight / 2) ?? slides[0];

function show(slide) {
  if (!slide) return;
  slide.scrollIntoView();
  history.replaceState(null, "", `#${slides.indexOf(slide) + 1}`);
}

function go(by) {
  const slide = shown();
  const stepper = slide.querySelector(".chainrule-stepper");
  const [step, steps] = [Number(stepper?.dataset.step), Number(stepper?.dataset.steps)];
  if (stepper && (by > 0 ? step < steps : step > 0)) {
    stepper.querySelector(`button[aria-label="${by > 0 ? "Next" : "Previous"} step"]`).click();
  } else {
    show(slides[slides.indexOf(slide) + by]);
  }
}

const KEYS = {
  ArrowRight: () => go(1),
  ArrowLeft: () => go(-1),
  PageDown: () => go(1),
  PageUp: () => go(-1),
  ArrowDown: () => show(slides[slides.indexOf(shown()) + 1]),
  ArrowUp: () => show(slides[slides.indexOf(shown()) - 1]),
  Home: () => show(slides[0]),
  End: () => show(slides.at(-1)),
};

document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("input, select, textarea, .chainrule-stepper, [contenteditable]");
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || busy || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

// A figure is as large as its slide allows.
function fit() {
  for (const slide of slides) {
    const figure = slide.querySelector(":scope > [class^='chainrule-']");
    if (!figure) continue;
    figure.style.setProperty("--zoom", 1);
    const picture = Number(figure.querySelector(".chainrule-picture")?.getAttribute("width") ?? 0);
    figure.style.setProperty("--wide", `${Math.min(Math.max(picture, 1000), 1400)}px`);
    const { paddingTop, paddingBottom } = getComputedStyle(slide);
    const words = [...slide.children].slice(0, -1).reduce((sum, one) => sum + one.offsetHeight + 12, 0);
    const high = innerHeight - parseFloat(paddingTop) - parseFloat(paddingBottom) - words;
    const zoom = Math.min(high / figure.offsetHeight, slide.firstElementChild.offsetWidth / figure.offsetWidth);
    figure.style.setProperty("--zoom", Math.max(zoom, 0.5).toFixed(2));
  }
}

// Steppers are measured at their last step, where most is shown, and start at the first.
function start() {
  for (const name of ["Last", "First"]) {
    for (const button of document.querySelectorAll(`.chainrule-stepper button[aria-label="${name} step"]`)) button.click();
    if (name === "Last") fit();
  }
  show(slides[Number(location.hash.slice(1)) - 1]);
  document.documentElement.dataset.ready = "";
}

// Sliders and buttons come with life, and take room.
function startWhenAlive() {
  if (document.querySelector(".slide > [class^='chainrule-']:not(.chainrule-live)")) setTimeout(startWhenAlive, 50);
  else start();
}

addEventListener("load", startWhenAlive);
addEventListener("resize", fit);
