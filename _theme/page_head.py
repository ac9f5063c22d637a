"""What each page says about itself, and the ways out of it: description, share tags, menus, the page for lost readers.
And how many pages are read at once.

All of it is computed: addresses from the repository's in _config.yml, descriptions from the text of the pages.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from share_picture import draw_share_picture

SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
ROOM = 200  # characters that search engines and previews show, about
SHARE_PICTURE = "_static/share.png"


def setup(app):
    app.parallel = os.cpu_count()  # jupyter-book has no option for it
    app.connect("env-before-read-docs", read_side_by_side)
    app.connect("config-inited", name_the_site)
    app.connect("html-page-context", describe_page)
    app.connect("build-finished", write_share_picture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def read_side_by_side(app, env, names):
    """Chapters run a core each. One extension, which jupyter-book loads unasked, does not say that it may; it does nothing here."""
    if idle := app.extensions.get("sphinx_multitoc_numbering"):
        idle.parallel_read_safe = True


def name_the_site(app, config):
    """The site's address follows from the repository's; two pages are templates of our own."""
    config.html_baseurl = config.html_baseurl or site_address(repository(config))
    config.html_additional_pages |= {"404": "404.html", "index": "start.html"}


def repository(config):
    return config.html_theme_options["repository_url"].rstrip("/")


def site_address(repository):
    """Where GitHub Pages serves a repository: its owner's host, and below it the repository's name."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def describe_page(app, pagename, templatename, context, doctree):
    config, root = app.config, app.config.root_doc
    home = pagename in (root, "index")
    about = app.env.get_doctree(root) if pagename == "index" else doctree
    context |= {
        "page_address": config.html_baseurl
        + app.builder.get_target_uri(root if home else pagename),
        "share_title": config.html_title if home else context.get("title") or "",
        "description": description(about) if about else f"Search the pages of {config.html_title}.",
        "share_picture": config.html_baseurl + SHARE_PICTURE,
        "contents": [root, *app.env.toctree_includes[root]],
        "page_title": lambda page: app.env.titles[page].astext(),
        "menus": [],
        "comes": what_comes(app, pagename),
    }
    if pagename in app.env.found_docs:
        branch = config.html_theme_options["repository_branch"]
        source = Path(app.env.doc2path(pagename, base=False)).as_posix()
        context["menus"] = menus(source, repository(config), branch, context["sourcename"])


def what_comes(app, pagename):
    """The page after this one, in the order of the contents: (its address, its title, its first sentences), or None."""
    contents = [app.config.root_doc, *app.env.toctree_includes[app.config.root_doc]]
    if pagename not in contents[:-1]:
        return None
    following = contents[contents.index(pagename) + 1]
    address = app.builder.get_relative_uri(pagename, following)
    return address, app.env.titles[following].astext(), description(app.env.get_doctree(following))


def description(doctree):
    """A page's first sentences, as many as there is room for and without signs of TeX, and one at least."""
    first = next(doctree.findall(lambda node: is_paragraph(node)))
    sentences = SENTENCE_END.split(" ".join(first.astext().split()))
    text = sentences[0]
    for sentence in sentences[1:]:
        if len(text) + len(sentence) >= ROOM or "\\" in sentence:
            break
        text += " " + sentence
    return text


def is_paragraph(node):
    return isinstance(node, nodes.paragraph) and isinstance(node.parent, nodes.section)


def menus(source, repository, branch, copy):
    """The menus of a page: (title, its word on a wide screen, icon, links), and in them (words, icon, address, name when
    saved or None).

    `source` is the page's file in the repository, `copy` the same file in the built site's `_sources`.
    """
    name = urlsplit(repository).path.strip("/")
    is_notebook = source.endswith(".ipynb")
    opened = (
        source if is_notebook else "book"
    )  # JupyterLab shows the folder, where there is nothing to run
    binder = f"https://mybinder.org/v2/gh/{name}/{branch}?urlpath=lab/tree/{opened}"
    colab = f"https://colab.research.google.com/github/{name}/blob/{branch}/{source}"
    run = [("Run on Binder", "rocket", binder, None)]
    if is_notebook:
        run += [
            ("Run on Colab", "play", colab, None),
            ("Download the notebook", "download", copy, Path(source).name),
        ]
    edit = [
        ("See it in the repository", "code", f"{repository}/blob/{branch}/{source}", None),
        ("Suggest an edit", "pencil", f"{repository}/edit/{branch}/{source}", None),
    ]
    return [
        ("Run this page", "Run", "rocket", run),
        ("Source of this page", "Source", "github", edit),
    ]


def write_share_picture(app, error):
    if error is None and app.builder.format == "html":
        draw_share_picture(Path(app.outdir) / SHARE_PICTURE, app.config.html_title)
