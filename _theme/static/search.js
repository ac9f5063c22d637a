// The search page: sections whose text holds every word of the query, with the sentence that does.
// search_texts.py writes the texts; they are loaded with the first query, and from disk as well as from a server.

const MOST = 3; // sections of one page
const LONG = 220; // letters of an excerpt, about
const ENDINGS = /(?:ting|ning|ing|ies|es|ed|ly|s)$/;

const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
const stem = (word) => (word.length > 4 ? word.replace(ENDINGS, "") : word);
const pattern = (stems, flags) => new RegExp(`(?<![\\p{L}\\p{N}_])(?:${stems.join("|")})[\\p{L}\\p{N}_]*`, `${flags}u`);

// How much a page of this kind explains.
function weight(address) {
  if (/\/\d\d_/.test(address)) return 1;
  if (address.includes("appendix")) return 0.8;
  return address.includes("reference/") ? 0.1 : 0.5;
}

// How well a section answers: 0 if a word is missing.
function score(stems, [, title, text], pageTitle) {
  const phrase = pattern([stems.join("[\\p{L}\\p{N}_]*[^\\p{L}\\p{N}_]+")], "gi");
  let sum = 0;
  for (const one of stems) {
    const word = pattern([one], "gi");
    const inText = (text.match(word) ?? []).length;
    const inTitle = word.test(title);
    if (!inText && !inTitle) return 0;
    sum += Math.log2(1 + inText) + 3 * inTitle + 2 * pattern([one], "i").test(pageTitle);
  }
  const phrases = (`${title}. ${text}`.match(phrase) ?? []).length;
  return sum * (1 + (stems.length > 1) * Math.min(phrases, 3));
}

// Pages that answer, the best first: {address, title, kind, score, sections}.
function find(query, texts) {
  const stems = words(query).map(stem);
  if (!stems.length) return [];
  const pages = texts.map(([address, title, sections]) => {
    const found = sections.map((section) => ({ section, score: score(stems, section, title) * weight(address) }));
    const best = found.filter((one) => one.score > 0).sort((a, b) => b.score - a.score);
    return { address, title, score: best[0]?.score ?? 0, sections: best.map((one) => one.section) };
  });
  const glossary = pages.find((page) => page.address.endsWith("glossary.html"));
  const isEntry = ([, title]) => title.split(", ").some((term) => words(term).map(stem).join() === stems.join());
  const entry = glossary?.sections.find(isEntry);
  if (entry) glossary.sections = [entry, ...glossary.sections.filter((one) => one !== entry)];
  for (const page of pages) if (entry?.[3] && page.address.includes(entry[3])) page.score *= 2;
  const ordered = pages.filter((page) => page.score > 0).sort((a, b) => b.score - a.score);
  if (!entry) return ordered;
  const others = ordered.filter((page) => page !== glossary); // the word's own entry is the second, behind who explains it
  return [...others.slice(0, 1), glossary, ...others.slice(1)];
}

// The sentences around the first place where most of the words stand: [text before, marked, text between, marked ...].
function excerpt(stems, text) {
  const sentences = text.split(/(?<=[.?!:])\s+/u);
  const hits = (from) => new Set((sentences[from].match(pattern(stems, "gi")) ?? []).map((word) => stem(word.toLowerCase()))).size;
  let best = 0;
  for (let k = 1; k < sentences.length; k++) if (hits(k) > hits(best)) best = k;
  let shown = sentences[best];
  for (let k = best + 1; k < sentences.length && shown.length + sentences[k].length < LONG; k++) shown += ` ${sentences[k]}`;
  if (shown.length > 2 * LONG) {
    const at = Math.max(0, shown.search(pattern(stems, "i")) - LONG / 2);
    shown = `${at ? "… " : ""}${shown.slice(at, at + 1.5 * LONG).replace(/\s\S*$/, "")} …`;
  }
  return shown;
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
  const place = document.querySelector("#search-results");
  const stems = words(query).map(stem);
  const pages = find(query, globalThis.searchTexts);
  const count = pages.reduce((sum, page) => sum + page.sections.length, 0);
  const status = element("p", "", { role: "status" });
  if (stems.length) {
    status.textContent = count
      ? `${count} ${count === 1 ? "section" : "sections"} on ${pages.length} ${pages.length === 1 ? "page" : "pages"}`
      : "No section holds all of these words. Try fewer of them, or a shorter one.";
  }
  const list = document.createElement("ol");
  for (const page of pages) {
    const item = element("li", "");
    item.append(element("p", page.title, { className: "search-page" }));
    for (const [id, title, text] of page.sections.slice(0, MOST)) {
      const heading = element("h2", "");
      heading.append(element("a", title, { href: `${document.documentElement.dataset.content_root}${page.address}#${id}` }));
      item.append(heading, marked(stems, excerpt(stems, text)));
    }
    const rest = page.sections.length - MOST;
    if (rest > 0) item.append(element("p", `and ${rest} more in this page`, { className: "search-more" }));
    list.append(item);
  }
  place.replaceChildren(status, list);
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
