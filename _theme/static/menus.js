// What every page does: its menus, and its contents. A menu of the header is a <details>: it opens by itself, and is closed here by Escape and by a click elsewhere.
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

// The contents of the page mark the section that is read: the last heading above a third of the window.
const links = () => [...document.querySelectorAll(".page-toc a[href^='#']")];
const headingOf = (link) => document.getElementById(decodeURIComponent(link.hash.slice(1)));

function markSection() {
  const { clientHeight, scrollHeight, scrollTop } = document.documentElement;
  const atEnd = scrollTop > 0 && scrollTop + clientHeight >= scrollHeight - 2;
  const above = (link) => headingOf(link)?.getBoundingClientRect().top < (atEnd ? clientHeight : clientHeight / 4);
  const read = links().filter(above).at(-1);
  for (const link of links()) {
    link.classList.toggle("active", link === read);
    if (link === read) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (read) keepInView(read, read.closest(".bd-sidebar-secondary"));
}

// Scrolls the contents alone: scrollIntoView could move the page.
function keepInView(link, box) {
  if (!box) return;
  const [{ top, bottom }, edge] = [link.getBoundingClientRect(), box.getBoundingClientRect()];
  const low = Math.min(edge.bottom, innerHeight) - 16;
  if (bottom > low) box.scrollTop += bottom - low;
  else if (top < edge.top + 16) box.scrollTop -= edge.top + 16 - top;
}

let waits = false;
function markSoon() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    markSection();
  });
}
for (const event of ["scroll", "resize", "load", "hashchange"]) addEventListener(event, markSoon, { passive: true });

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
for (const box of document.querySelectorAll(".pst-scrollable-table-container, .output.text_html, .chainrule-wide, .highlight pre")) {
  if (getComputedStyle(box).overflowX === "visible") continue; // a figure has scroll boxes of its own
  sizes.observe(box);
  box.addEventListener("scroll", () => lookAt(box), { passive: true });
}
