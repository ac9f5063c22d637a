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


MORE = {"07_network": 135}  # lines; to come down to 120, too


@every_chapter
def test_a_chapter_shows_at_most_120_lines_of_code(chapter):
    if chapter.stem != "figures":  # whose code is what it is about
        assert chapter_checks.visible_lines(chapter) <= MORE.get(chapter.stem, 120)


@every_chapter
def test_a_chapter_prints_numbers_and_no_verdicts(chapter):
    assert chapter_checks.verdicts(chapter) == []


@every_chapter
def test_a_chapter_reads_well_where_nobody_knows_myst(chapter):
    assert chapter_checks.foreign_markup(chapter) == []
