// What our pages need of Bootstrap's script (24 kB gzip): menus that open. Hints are the browser's own.

globalThis.bootstrap = {
  Tooltip: class {
    constructor(element, { title } = {}) {
      element.title ||= title ?? "";
    }
    show() {}
    hide() {}
  },
};

document.addEventListener("DOMContentLoaded", () => {
  for (const hinted of document.querySelectorAll("[data-bs-title]")) hinted.title ||= hinted.dataset.bsTitle;
  const toggles = [...document.querySelectorAll('[data-bs-toggle="dropdown"]')];

  function open(toggle, wanted) {
    toggle.setAttribute("aria-expanded", String(wanted));
    toggle.nextElementSibling.classList.toggle("show", wanted);
  }

  document.addEventListener("click", ({ target }) => {
    for (const toggle of toggles) {
      open(toggle, toggle.contains(target) && toggle.getAttribute("aria-expanded") !== "true");
    }
  });
  document.addEventListener("keydown", (event) => {
    const { key } = event;
    const opened = toggles.find((toggle) => toggle.getAttribute("aria-expanded") === "true");
    if (!opened) return;
    const items = [...opened.nextElementSibling.querySelectorAll("a, button")];
    const at = items.indexOf(document.activeElement);
    if (key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (key === "ArrowUp") items[(at + items.length - (at < 0 ? 0 : 1)) % items.length].focus();
    else if (key === "Escape") {
      open(opened, false);
      opened.focus();
    } else return;
    event.preventDefault();
  });
});
