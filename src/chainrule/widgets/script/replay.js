// The replay: a recorded training run, frame by frame. Nothing is trained here, so going back is exact.

import { placeOn, pointsOf, setMark } from "./explorer.js";
import { draggable } from "./handles.js";
import { decode, display } from "./numbers.js";
import { fill, label, player, vector, write } from "./parts.js";
import { WORDS } from "./words.js";

const GREYS = 16;

/** A picture of unit squares, one path a level of grey; `levels_svg`. */
export function greyPaths(levels, columns) {
  const paths = Array.from({ length: GREYS + 1 }, () => "");
  [...levels].forEach((letter, k) => {
    paths[letter.charCodeAt(0) - 97] += `M${k % columns} ${Math.floor(k / columns)}h1v1h-1z`;
  });
  return paths;
}

function drawGreys(svg, levels, columns) {
  const made = greyPaths(levels, columns).map((d, level) => (level && d ? [vector("path", { "fill-opacity": level / GREYS, d })] : []));
  svg.replaceChildren(...made.flat());
}

/** Make one served replay live. */
export function mountReplay(figure, host) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const { axes, names, steps } = data;
  const series = { loss: data.loss.map(decode), metric: data.metric.map(decode) };
  const norms = data.norms.map((row) => row.map(decode));
  const all = (selector) => [...figure.querySelectorAll(selector)];
  const panels = figure.querySelector(".chainrule-panels");
  const sentence = figure.querySelector(".chainrule-sentence");
  const [bars, sizes, rows] = [all(".bar"), all(".norm"), all(".chainrule-table tbody tr")];
  const curves = ["loss", "metric"].filter((name) => axes[name]).map(curve);
  const [heading, places] = [figure.querySelector(".chainrule-heading:has(+ .chainrule-wrong)"), all(".chainrule-wrong li")];
  const [weights, units] = [all(".chainrule-weights svg"), all("[data-panel=units] svg")];

  const last = steps.length - 1;
  const walk = player({ last, name: label("replay.walk"), show, count, pause: Number(figure.dataset.pause) });
  panels.after(walk.element);
  figure.addEventListener("keydown", walk.key);
  walk.set(Number(figure.dataset.frame));
  showFrame(walk.now());

  function curve(name) {
    const panel = panels.querySelector(`[data-panel="${name}"]`);
    const points = pointsOf(steps, series[name], ...axes[name]);
    draggable(panel.firstChild, (x) => {
      const far = steps.map((step) => Math.abs(placeOn(axes[name][0], step) - x));
      walk.move(far.indexOf(Math.min(...far)));
      return walk.element.querySelector("input");
    });
    return { name, points, guide: panel.querySelector(".guide"), mark: panel.querySelector(".mark") };
  }

  function count(now) {
    return label("replay.count", { now: now + 1, last: last + 1 });
  }

  function show(now) {
    showFrame(now);
    host.tell("frame", now);
  }

  /** The last frame so far with a number that can be shown, or -1. */
  function known(name, now) {
    return series[name].findLastIndex((value, k) => k <= now && Number.isFinite(value));
  }

  function showFrame(now) {
    figure.dataset.frame = now;
    for (const { name, points, guide, mark } of curves) {
      const x = Math.round(placeOn(axes[name][0], steps[now]) * 10) / 10;
      guide.setAttribute("transform", `translate(${x} 0)`);
      setMark(mark, points[known(name, now)]);
    }
    bars.forEach((bar, k) => {
      const end = placeOn(axes.norms[0], norms[now][k]);
      bar.setAttribute("width", end === null ? 0 : Math.round((end - axes.norms[0][3]) * 10) / 10);
      sizes[k].textContent = display(norms[now][k], 3);
    });
    // a sentence that changes four times a second is not to be read aloud, its last one is
    sentence.setAttribute("aria-live", walk.rest() || now === last ? "polite" : "off");
    write(sentence, [["title", label("replay.update", { step: display(steps[now]) })], ...words(now)]);
    rows.forEach((row, k) => row.classList.toggle("now", k === now));
    showPictures(now);
  }

  function showPictures(now) {
    const wrong = data.wrong[now];
    if (places.length) heading.textContent = label(wrong.length ? "replay.wrong" : "replay.none");
    places.forEach((place, k) => {
      place.hidden = k >= wrong.length;
      if (place.hidden) return;
      const [picture, caption] = wrong[k];
      drawGreys(place.querySelector("svg"), data.pictures[picture], data.side);
      place.querySelector("span").textContent = caption;
    });
    weights.forEach((svg, k) => {
      const [, columns, levels] = data.weights[k];
      drawGreys(svg, levels[now], columns);
    });
    units.forEach((svg, k) => drawGreys(svg, data.units[now][k], svg.viewBox.baseVal.width));
  }

  function words(now) {
    const said = (key, slots) => [["", " "], ...fill(WORDS.labels[key], slots)];
    const [loss, over] = [["value", display(series.loss[now])], data.over[now]];
    const parts = said(over === 1 ? "replay.loss.is" : "replay.loss.mean", { loss, over: ["", display(over)] });
    const at = known("metric", now);
    if (at >= 0) {
      const slots = { metric: ["value", display(series.metric[at], 3)], step: ["", display(steps[at])], name: ["", data.measured] };
      parts.push(...said(at === now ? "replay.metric.now" : "replay.metric.before", slots));
    }
    const finite = norms[now].filter(Number.isFinite);
    if (finite.length === 0) return parts;
    const most = Math.max(...finite);
    return [...parts, ...said("replay.largest", { name: ["", names[norms[now].indexOf(most)]], norm: ["gradient", display(most, 3)] })];
  }

  return {
    destroy() {
      walk.pause();
    },
    update: {
      frame(value) {
        if (value === walk.now()) return;
        walk.set(value);
        showFrame(value);
      },
    },
  };
}
