"""Every chapter shows the package's own code, and figures that are what their traces say."""

from pathlib import Path

import chapter_checks
import pytest

CHAPTERS = sorted((Path(__file__).parents[1] / "book").rglob("*.ipynb"))
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


@every_chapter
def test_a_chapter_defines_no_name_that_the_package_exports(chapter):
    assert chapter_checks.redefined(chapter) == []


@every_chapter
def test_a_figure_shows_what_its_trace_says(chapter):
    assert chapter_checks.disagreeing(chapter) == []


@every_chapter
def test_every_picture_of_a_chapter_is_there_and_described(chapter):
    assert chapter_checks.unhappy_images(chapter) == []
