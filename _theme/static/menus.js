// A menu of the page's header is a <details>: it opens by itself, and is closed here by Escape and by a click elsewhere.
// Hints are the browser's own, so Bootstrap's script (24 kB gzip) is not needed.

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
});

const openMenu = () => document.querySelector("details.menu[open]");

document.addEventListener("click", ({ target }) => {
  const menu = openMenu();
  if (menu && !target.closest("summary")) menu.open = false;
});

document.addEventListener("keydown", ({ key }) => {
  const menu = openMenu();
  if (!menu || key !== "Escape") return;
  menu.open = false;
  menu.firstElementChild.focus();
});
