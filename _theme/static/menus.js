// What the pages need of a script beside the theme's.
// A menu of the header is a <details>: it opens by itself, and is closed here by Escape and by a click elsewhere.
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

// The theme takes the focus from its buttons when they are pressed. Whoever closes with Escape what one of them has opened would
// then be nowhere on the page; a dialog gives the focus back to where it was.
for (const button of document.querySelectorAll(".theme-switch-button, .search-button, .sidebar-toggle")) button.blur = () => {};

// What is wider than the page says on which side there is more of it; book.css fades that edge.
const lookAt = (box) => {
  const left = box.scrollLeft > 1;
  const right = box.scrollLeft + box.clientWidth < box.scrollWidth - 1;
  if (left || right) box.dataset.more = left && right ? "both" : left ? "left" : "right";
  else delete box.dataset.more;
};
const sizes = new ResizeObserver((changes) => changes.forEach(({ target }) => lookAt(target)));
for (const box of document.querySelectorAll(".pst-scrollable-table-container, .output.text_html, .chainrule-wide")) {
  if (getComputedStyle(box).overflowX === "visible") continue; // a figure has scroll boxes of its own
  sizes.observe(box);
  box.addEventListener("scroll", () => lookAt(box), { passive: true });
}
