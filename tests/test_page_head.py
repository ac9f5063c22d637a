"""What pages say about themselves, and the ways out of them: every address is held against the repository's files."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from built_site import CHAPTERS, READ, parsed

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
REPOSITORY, BRANCH = CONFIG["repository"]["url"], CONFIG["repository"]["branch"]
OWNER, NAME = urlsplit(REPOSITORY).path.strip("/").split("/")
HOME = f"https://{OWNER.lower()}.github.io/{NAME}/"
every_page = pytest.mark.parametrize("path", CHAPTERS)


def source_of(path):
    """The file that a built page was made from, as a path in the repository."""
    sources = [Path(path).with_suffix(suffix) for suffix in (".ipynb", ".md")]
    (source,) = [source for source in sources if (ROOT / source).is_file()]
    return source


def links(path):
    return [address for tag, address in parsed(path).links if tag == "a"]


@every_page
def test_every_page_can_be_seen_and_edited_in_the_repository(path, site):
    for verb in ("blob", "edit"):
        assert f"{REPOSITORY}/{verb}/{BRANCH}/{source_of(path).as_posix()}" in links(path)


@every_page
def test_binder_and_colab_open_the_page_itself_or_the_folder_of_the_chapters(path, site):
    binder, colab = "https://mybinder.org/v2/gh/", "https://colab.research.google.com/github/"
    (on_binder,) = [address for address in links(path) if address.startswith(binder)]
    prefix = f"{binder}{OWNER}/{NAME}/{BRANCH}?urlpath=lab/tree/"
    opened = ROOT / on_binder.removeprefix(prefix)
    on_colab = [address for address in links(path) if address.startswith(colab)]
    if source_of(path).suffix == ".ipynb":
        assert opened == ROOT / source_of(path)
        assert on_colab == [f"{colab}{OWNER}/{NAME}/blob/{BRANCH}/{source_of(path).as_posix()}"]
    else:
        assert opened == ROOT / "book" and opened.is_dir()
        assert on_colab == []


@pytest.mark.parametrize("path", [path for path in CHAPTERS if source_of(path).suffix == ".ipynb"])
def test_the_notebook_to_download_is_the_committed_one_and_names_no_folder_of_ours(path, site):
    (link,) = [
        address for address in links(path) if address.endswith(".ipynb") and ":" not in address
    ]
    served = (site / path).parent / link
    assert served.read_bytes() == (ROOT / source_of(path)).read_bytes()
    assert str(ROOT) not in served.read_text(encoding="utf-8")


def test_every_page_has_a_title_and_a_description_of_its_own(site):
    titles = [parsed(path).title for path in READ]
    descriptions = [parsed(path).meta["description"] for path in READ]
    assert len(set(titles)) == len(set(descriptions)) == len(READ)
    assert all(title.endswith(CONFIG["title"]) for title in titles)
    assert all(40 <= len(words) <= 300 and words[-1] in ".?!" for words in descriptions)
    assert [words for words in descriptions if set(words) & set("\\$")] == []  # TeX is no text


@pytest.mark.parametrize("path", [*CHAPTERS, "index.html"])
def test_a_shared_link_shows_the_page_it_leads_to(path, site):
    page = parsed(path)
    shown = parsed("book/index.html" if path == "index.html" else path)
    assert page.meta["og:url"] == page.canonical == shown.canonical
    assert page.canonical == HOME + ("book/index.html" if path == "index.html" else path)
    assert page.meta["og:description"] == page.meta["description"] == shown.meta["description"]
    assert shown.title.startswith(page.meta["og:title"])
    picture = (site / page.meta["og:image"].removeprefix(HOME)).read_bytes()
    assert picture.startswith(b"\x89PNG")
    size = [int.from_bytes(picture[k : k + 4], "big") for k in (16, 20)]
    assert size == [int(page.meta[f"og:image:{side}"]) for side in ("width", "height")]


def test_the_share_picture_comes_out_the_same_on_every_run(site, tmp_path, theme):
    theme("share_picture").draw_share_picture(tmp_path / "share.png", CONFIG["title"])
    assert (tmp_path / "share.png").read_bytes() == (site / "_static" / "share.png").read_bytes()
