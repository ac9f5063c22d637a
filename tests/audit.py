"""What axe, which audits web pages, finds in a page as it stands.

Its rules of colour took nine tenths of its time: for each letter they ask the browser what lies under it. So of all
texts that look alike they are shown the first and the last, and those once: what looks like a text of a page before has
the same contrast. A look that is bad fails the first page that has it. While they are asked, the rest of the
page is out of it, so that axe need not go through it.
"""

from axe_playwright_python.base import AXE_SCRIPT

COLOUR_RULES = ["color-contrast", "link-in-text-block"]

# Two texts look alike if they have the same size and weight, and if each of their ancestors that changes anything has
# the same colours and place. Texts of pictures are left out, as axe leaves them.
NEW_LOOKS = """(before) => {
    const audited = new Set(before);
    const looks = new Map([[document, ""]]);
    const lookOf = (one) => {
        if (!looks.has(one)) {
            const style = getComputedStyle(one);
            const names = ["color", "backgroundColor", "backgroundImage", "opacity", "filter", "position", "textDecorationLine"];
            const [above, own] = [lookOf(one.parentNode), names.map((name) => style[name]).join()];
            looks.set(one, above.endsWith(own) ? above : `${above}\\n${own}`);
        }
        return looks.get(one);
    };
    const found = new Map();
    for (const one of document.body.querySelectorAll("*")) {
        const says = [...one.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.data.trim());
        if (!(says || one.matches("a, input, select")) || one.closest("svg") || !one.checkVisibility()) continue;
        const { fontSize, fontWeight } = getComputedStyle(one);
        const look = [one.localName === "a", one.disabled, fontSize, fontWeight, lookOf(one)].join();
        found.set(look, [found.get(look)?.[0] ?? one, one]);
    }
    const fresh = [...found].filter(([look]) => !audited.has(look));
    return [fresh.map(([look]) => look), [...new Set(fresh.flatMap(([, both]) => both))]];
}"""
AUDITED = set()  # the looks that axe has been shown
# What is not to be looked at is out of the page meanwhile, with a comment in its place.
RUN = """async ([where, options, out]) => {
    const places = out.map((one) => [one, document.createComment("")]);
    for (const [one, place] of places) one.replaceWith(place);
    try {
        const found = await axe.run(where, { preload: false, resultTypes: ["violations"], ...options });
        return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
    } finally {
        for (const [one, place] of places) place.replaceWith(one);
    }
}"""
# All that no text to be shown is in, if it has no place of its own.
BESIDE = """([, texts]) => {
    const all = [...document.body.querySelectorAll("*")];
    const placed = all.filter((one) => !one.closest(".katex") && ["absolute", "fixed", "sticky"].includes(getComputedStyle(one).position));
    const kept = new Set([...texts, ...placed].flatMap((one) => [...one.querySelectorAll("*")]));
    for (let one of [...texts, ...placed]) for (; one && !kept.has(one); one = one.parentElement) kept.add(one);
    return all.filter((one) => !kept.has(one) && kept.has(one.parentElement));
}"""


def load_axe(page):
    if not page.evaluate("globalThis.axe !== undefined"):
        page.evaluate(AXE_SCRIPT)


def off_contrast(page):
    """What the rules of colour find, as "rule: element" lines."""
    load_axe(page)
    fresh = page.evaluate_handle(NEW_LOOKS, list(AUDITED))
    looks = page.evaluate("([looks]) => looks", fresh)
    if not looks:
        return []
    AUDITED.update(looks)
    texts = page.evaluate_handle("([, texts]) => texts", fresh)
    only = {"runOnly": {"type": "rule", "values": COLOUR_RULES}}
    return page.evaluate(RUN, [texts, only, page.evaluate_handle(BESIDE, fresh)])


# Elements that are to be seen, or heard, and were not when this was asked before: the outermost ones.
SHOWN_ANEW = """() => {
    const shown = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility({ visibilityProperty: true }));
    const anew = new Set(shown.filter((one) => !seenByAxe.has(one)));
    shown.forEach((one) => seenByAxe.add(one));
    return [...anew].filter((one) => !anew.has(one.parentElement));
}"""


def findings(page):
    """What all rules find."""
    load_axe(page)
    page.evaluate("globalThis.seenByAxe = new Set()")
    page.evaluate_handle(SHOWN_ANEW)
    document = page.evaluate_handle("document")
    others = {"rules": {rule: {"enabled": False} for rule in COLOUR_RULES}}
    return page.evaluate(RUN, [document, others, []]) + off_contrast(page)


# What looks at all that is shown together. (That what scrolls can be focused, Chromium sees to.)
RULES_OF_THE_WHOLE = [
    "bypass",
    "heading-order",
    "landmark-main-is-top-level",
    "landmark-no-duplicate-banner",
    "landmark-no-duplicate-contentinfo",
    "landmark-no-duplicate-main",
    "landmark-one-main",
    "landmark-unique",
    "page-has-heading-one",
    "region",
    "skip-link",
]


def findings_after_a_change(page):
    """What all rules find once more when only the window or the style has changed since `findings`.

    They look at what is shown now and was not, and at the order of headings and landmarks among all.
    """
    anew = page.evaluate_handle(SHOWN_ANEW)
    document = page.evaluate_handle("document")
    others = {"rules": {rule: {"enabled": False} for rule in COLOUR_RULES}}
    found = page.evaluate(RUN, [document, {"runOnly": RULES_OF_THE_WHOLE}, []])
    if page.evaluate("(anew) => anew.length", anew):
        found += page.evaluate(RUN, [anew, others, []])
    return found + off_contrast(page)
