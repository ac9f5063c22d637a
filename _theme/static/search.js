// The search page: sections whose text holds every word of the query, with the sentence that does.
// search_texts.py writes the texts; they are loaded with the first query, and from disk as well as from a server.

const MOST = 3; // sections of one page
const LONG = 220; // letters of an excerpt, about
const ENDINGS = ["ation", "ated", "ting", "ning", "ing", "ate", "ies", "es", "ed", "ly", "s"];

const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
const stem = (word) => {
  const ending = ENDINGS.find((one) => word.endsWith(one) && word.length - one.length >= 4);
  return ending ? word.slice(0, -ending.length) : word;
};
const pattern = (stems, flags) => new RegExp(`(?<![\\p{L}\\p{N}_])(?:${stems.join("|")})[\\p{L}\\p{N}_]*`, `${flags}u`);

// How much a page of this kind explains.
function weight(address) {
  if (/\/\d\d_/.test(address)) return 1;
  if (address.includes("appendix")) return 0.8;
  return address.endsWith("/api.html") ? 0.001 : 0.4;
}

// How well a section answers: 0 where fewer words than wanted are in it.
function score(stems, wanted, [, title, text], pageTitle) {
  let [sum, present] = [0, 0];
  for (const one of stems) {
    const word = pattern([one], "gi");
    const inText = (text.match(word) ?? []).length;
    const inTitle = title.search(word) >= 0;
    present += inText > 0 || inTitle;
    sum += Math.log2(1 + inText) + 3 * inTitle + 2 * (pageTitle.search(word) >= 0);
  }
  if (present < wanted) return 0;
  const phrase = pattern([stems.join("[\\p{L}\\p{N}_]*[^\\p{L}\\p{N}_]+")], "gi");
  const phrases = stems.length > 1 ? (`${title}. ${text}`.match(phrase) ?? []).length : 0;
  return sum * (1 + Math.min(phrases, 3));
}

// All pages, each with the sections that answer, the best first.
function rated(stems, wanted, texts) {
  return texts.map(([address, title, sections]) => {
    const all = sections.map((section) => ({ section, score: score(stems, wanted, section, title) * weight(address) }));
    const best = all.filter((one) => one.score > 0).sort((a, b) => b.score - a.score);
    return { address, title, stems, score: best[0]?.score ?? 0, sections: best.map((one) => one.section) };
  });
}

// The pages that answer: first the chapter that explains the word, by what the glossary says; then the word's entry there.
function find(stems, wanted, texts) {
  const pages = rated(stems, wanted, texts);
  const glossary = pages.find((page) => page.address.endsWith("glossary.html"));
  const isEntry = ([, title]) => title.split(", ").some((term) => words(term).map(stem).join() === stems.join());
  const entry = glossary?.sections.find(isEntry);
  if (entry) {
    glossary.sections = [entry, ...glossary.sections.filter((one) => one !== entry)];
    glossary.score = Number.MAX_VALUE;
    const at = pages.findIndex((page) => entry[3] && page.address.includes(entry[3]));
    if (at >= 0) pages[at] = explaining(entry, pages[at], texts[at], stems);
  }
  const found = pages.filter((page) => page.score > 0).sort((a, b) => b.score - a.score);
  if (found[0] !== glossary || found.length < 2) return found;
  return [found[1], found[0], ...found.slice(2)]; // whoever looks for a word wants it explained
}

// The chapter that explains an entry. It may do so in another word of the entry, or in a part of it.
function explaining([, title], page, text, stems) {
  const others = title.split(", ").map((term) => words(term).map(stem));
  const tries = [...others.map((term) => [term, term.length]), ...[stems, ...others].map((term) => [term, 1])];
  const found = [page, ...tries.map(([term, wanted]) => rated(term, wanted, [text])[0])].find((one) => one.score > 0);
  return found ? { ...found, score: Infinity } : page;
}

// The pages that hold all words, or else the words as one (Korean is written both ways), or else as many as possible.
function search(query, texts) {
  const stems = words(query).map(stem);
  const tries = stems.map((_, k) => [stems, stems.length - k]);
  tries.splice(1, 0, [[stems.join("")], 1]);
  for (const [wanted, count] of stems.length ? tries : []) {
    const pages = find(wanted, count, texts);
    if (pages.length) return pages;
  }
  return [];
}

// A sentence in which most of the words stand, and as many of the next ones as there is room for: [first, all].
function excerpt(stems, text) {
  const sentences = text.split(/(?<=[.?!:])\s+/u);
  const hits = (one) => new Set((one.match(pattern(stems, "gi")) ?? []).map((word) => stem(word.toLowerCase()))).size;
  const best = sentences.reduce((best, one, k) => (hits(one) > hits(sentences[best]) ? k : best), 0);
  const first = sentences[best];
  if (first.length > 2 * LONG) {
    const at = Math.max(0, first.search(pattern(stems, "i")) - LONG / 2);
    const cut = first.slice(at, at + 1.5 * LONG).replace(/\s\S*$/u, "");
    return [first, `${at ? "… " : ""}${at ? cut.replace(/^\S*\s/u, "") : cut} …`];
  }
  let shown = first;
  for (let k = best + 1; k < sentences.length && shown.length + sentences[k].length < LONG; k++) shown += ` ${sentences[k]}`;
  return [first, shown];
}

// The browser marks the sentence itself, once, where it can; else the address leads to the section.
function place(address, id, sentence) {
  const words = sentence.split(" ").slice(0, 5).join(" ");
  const start = encodeURIComponent(words).replaceAll("-", "%2D");
  return `${document.documentElement.dataset.content_root}${address}#${id}:~:text=${start}`;
}

function marked(stems, text) {
  const whole = document.createElement("p");
  let end = 0;
  for (const match of text.matchAll(pattern(stems, "gi"))) {
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    whole.append(text.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  whole.append(text.slice(end));
  return whole;
}

function element(name, text, attributes = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, attributes);
}

function show(query) {
  const pages = search(query, globalThis.searchTexts);
  const status = element("p", "", { role: "status" });
  if (words(query).length) {
    const count = pages.reduce((sum, page) => sum + page.sections.length, 0);
    const many = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
    status.textContent = count ? `${many(count, "section")} on ${many(pages.length, "page")}` : "No page holds any of these words.";
  }
  const list = document.createElement("ol");
  for (const page of pages) {
    const item = element("li", "");
    item.append(element("p", page.title, { className: "search-page" }));
    for (const [id, title, text] of page.sections.slice(0, MOST)) {
      const [sentence, shown] = excerpt(page.stems, text);
      const heading = element("h2", "");
      heading.append(element("a", title, { href: place(page.address, id, sentence) }));
      item.append(heading, marked(page.stems, shown));
    }
    const rest = page.sections.length - MOST;
    if (rest > 0) item.append(element("p", `and ${rest} more on this page`, { className: "search-more" }));
    list.append(item);
  }
  document.querySelector("#search-results").replaceChildren(status, list);
}

let loading;
function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = element("script", "", { src: `${document.documentElement.dataset.content_root}_static/search_texts.js` });
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

async function answer() {
  const field = document.querySelector(".bd-search-container input[type=search]");
  if (field.value.trim()) await load();
  if (globalThis.searchTexts) show(field.value);
}

document.addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector(".bd-search-container input[type=search]");
  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.addEventListener("input", answer);
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
    answer();
  });
  answer();
});
