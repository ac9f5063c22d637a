"""How heavy and how quick the stepper is, in headless Chromium: `make bench` prints this.

Weight in bytes, as served and as gzip; times are whole frames, from the event to styles and layout
done, of which the 95th percentile counts. The bars stand beside the figures.
"""

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import find_browser

from chainrule.graph import Variable
from chainrule.widgets import Stepper, page

FRAMES = """async ([name, count]) => {
    const root = document.querySelector(".chainrule-stepper");
    const times = [];
    const settle = () => { document.body.getBoundingClientRect(); getComputedStyle(root).color; };
    const measure = async (act) => {
        const begun = performance.now();
        act();
        settle();
        times.push(performance.now() - begun);
        await new Promise(requestAnimationFrame);
    };
    const key = (key) => root.querySelector(".chainrule-scroll").dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
    const field = root.querySelector(`input[name="${name}"]`);
    const type = (value) => { field.value = value; field.dispatchEvent(new Event("input")); };
    const last = Number(root.dataset.steps);
    for (let k = 0; k < count && k < last; k += 1) await measure(() => key("ArrowRight"));
    const steps = times.splice(0);
    for (let k = 0; k < count; k += 1) await measure(() => type(String(1 + k / 1000)));
    const changes = times.splice(0);
    root.querySelector(".chainrule-table").open = true;
    for (let k = 0; k < count / 4; k += 1) await measure(() => type(String(2 + k / 1000)));
    return { steps, changes, table: times };
}"""

HEAP = """async (count) => {
    const root = document.querySelector(".chainrule-stepper");
    const place = root.querySelector(".chainrule-scroll");
    const press = (key) => place.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    for (let k = 0; k < count; k += 1) press(Math.floor(k / Number(root.dataset.steps)) % 2 ? "ArrowLeft" : "ArrowRight");
    return document.querySelectorAll("*").length;
}"""


def graph(nodes, seed=0):
    """A graph of so many nodes, with forks and skips."""
    rng = np.random.default_rng(seed)
    made = [Variable(float(rng.normal()), f"x{k}") for k in range(5)]
    while len(made) < nodes + 5:
        x, y = made[rng.integers(max(0, len(made) - 9), len(made))], made[-1]
        made.append([x + y, x * y, x - y][rng.integers(3)])
    return made[-1]


def p95(times):
    return float(np.percentile(times, 95))


def row(what, figure, bar, unit):
    print(f"{what:<46}{figure:>8.1f}  (at most {bar:g} {unit})")


def weights():
    kinds = ("stepper", "quiz")  # as on most pages
    script, style = page.loader(kinds), page.style(kinds)
    sizes = [len(gzip.compress(text.encode(), 9)) / 1000 for text in (script, style)]
    row("script and style of a page with steppers and quizzes, gzip", sum(sizes), 32, "kB")
    row("a stepper of 30 nodes, HTML", len(Stepper(graph(30)).html) / 1000, 60, "kB")


def open_page(browser, folder, name, text):
    path = Path(folder) / name
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_selector(".chainrule-live")
    return page


def main():
    weights()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=find_browser.find(whole=True),
            args=[
                *find_browser.ARGUMENTS,
                "--js-flags=--expose-gc",
                "--enable-precise-memory-info",
            ],
            chromium_sandbox=False,
        )
        print(f"Chromium {browser.version}")
        large = Stepper(graph(200), title="Two hundred nodes")
        view = open_page(browser, folder, "large.html", large.to_html())
        times = view.evaluate(FRAMES, [large.open_names[0], 200])
        row("one step of 200 nodes, p95", p95(times["steps"]), 16, "ms")
        row("one changed number of 200 nodes, p95", p95(times["changes"]), 16, "ms")
        row("the same with the table open, p95", p95(times["table"]), 16, "ms")

        view.evaluate(HEAP, 400)
        before = view.evaluate("gc(), performance.memory.usedJSHeapSize"), view.evaluate(HEAP, 2)
        view.evaluate(HEAP, 10_000)
        view.wait_for_timeout(1000)
        after = view.evaluate("gc(), performance.memory.usedJSHeapSize"), view.evaluate(HEAP, 2)
        row("memory gained in 10,000 steps", (after[0] - before[0]) / 1000, 500, "kB")
        row("elements gained in 10,000 steps", after[1] - before[1], 0, "")

        one = Stepper(graph(12))
        many = one.to_html().replace(one.html, one.html * 20)
        view = open_page(browser, folder, "many.html", many)
        view.wait_for_function("document.querySelectorAll('.chainrule-live').length === 20")
        live = view.evaluate("performance.now()")
        row("a page of 20 steppers, interactive after", live, 1000, "ms")
        browser.close()


if __name__ == "__main__":
    main()
