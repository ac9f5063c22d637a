// A picture that is wider than its place: where there is more of it to see, its edge fades.

import { calm } from "./parts.js";

const AROUND = 160; // pixels over and under the running node that are to be seen: its numbers, and the page's header

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
  if (!dock && !scroll.dataset.more) return;
  const [frame, node, ...others] = [scroll, ...parts].map((one) => one.getBoundingClientRect());
  if (dock && node) {
    const low = node.bottom + AROUND + dock.offsetHeight - innerHeight;
    scrollBy({ top: low > 0 ? low : Math.min(node.top - AROUND, 0), behavior });
  }
  let { left: start, right: end } = node ?? frame;
  for (const { left, right } of others) {
    const [from, to] = [Math.min(left, start), Math.max(right, end)];
    // at its edges a number can hardly be read
    if (to - from < frame.width - 60) [start, end] = [from, to];
  }
  scroll.scrollBy({ left: node ? (start + end - frame.left - frame.right) / 2 : -scroll.scrollLeft, behavior });
}
