// A picture that is wider than its place: where there is more of it to see, its edge fades.

import { calm } from "./parts.js";

const AROUND = 160; // pixels over and under the running node that are to be seen: its numbers, and the page's header
const FADE = 30; // of them at each side a number can hardly be read

/**
 * Keep `data-more` of a scroll box at "left", "right" or "both", and away where all is seen: { watch(), destroy() }.
 * Box and picture are watched, each may change alone; `watch` begins anew, with the picture that is in the box now.
 * `fit` is called when one has a new size, and first in the next frame: to look at once costs a layout a figure.
 */
export function edges(scroll, fit) {
  function look() {
    const left = scroll.scrollLeft > 1;
    const right = scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 1;
    if (left || right) scroll.dataset.more = left && right ? "both" : left ? "left" : "right";
    else delete scroll.dataset.more;
  }
  const sizes = new ResizeObserver(() => {
    look();
    fit();
  });
  scroll.addEventListener("scroll", look, { passive: true });
  return {
    watch() {
      sizes.disconnect();
      for (const one of [scroll, scroll.firstElementChild]) sizes.observe(one);
    },
    destroy() {
      sizes.disconnect();
      scroll.removeEventListener("scroll", look);
    },
  };
}

/**
 * Bring the first of some parts of the picture to the middle of its box, where that scrolls, with as many of the
 * others beside it as have room; without a part, go to its start.
 * `dock` is what stands at the lower edge of the window, before a picture that is higher than the window.
 */
export function follow(scroll, parts, dock) {
  const behavior = calm() ? "auto" : "smooth";
  if (dock && parts.length) {
    const { top, bottom } = parts[0].getBoundingClientRect();
    const low = bottom + AROUND + dock.offsetHeight - innerHeight;
    scrollBy({ top: low > 0 ? low : Math.min(top - AROUND, 0), behavior });
  }
  if (!scroll.dataset.more) return;
  const frame = scroll.getBoundingClientRect();
  let start, end;
  for (const part of parts) {
    const { left, right } = part.getBoundingClientRect();
    const [from, to] = [Math.min(left, start ?? left), Math.max(right, end ?? right)];
    if (part === parts[0] || to - from < frame.width - 2 * FADE) [start, end] = [from, to];
  }
  scroll.scrollTo({ left: parts.length ? scroll.scrollLeft + (start + end) / 2 - frame.left - frame.width / 2 : 0, behavior });
}
