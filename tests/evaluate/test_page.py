import base64
import re
from html.parser import HTMLParser

import pytest

from vivant.evaluate import Panel, Report, Section, write_page
from vivant.records import Origin, Score, Scores

PICTURE = b"\xff\xd8picture"


@pytest.fixture
def page() -> str:
    panel = Panel("a <caption>", PICTURE, "jpeg", (30, 40), '<circle cx="1" cy="2" r="3"/>')
    scores = Scores(
        (Score("silhouette overlap", 0.97, "", "how"),), (Score("splats", 60000.0, "", "count"),), ()
    )
    return write_page(
        Report(
            title='me & <script>alert("x")</script>',
            sections=(Section("First", "", (panel,)), Section("Second", "words", (panel, panel))),
            scores=scores,
            parts=(("left_hand", False), ("head", True)),
            notes=("The left hand is hidden: guessed.",),
            timings=(("lift", "1.2 s"),),
            origin=Origin("quick", "abc", '{"fit": {"steps": 3}}', ("engine (MIT)",), ("vivant 1",), ()),
        )
    )


class Tags(HTMLParser):
    """Checks that tags close in order, and collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing_from_outside(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.scripts == 0
    assert tags.sources and all(source.startswith("data:image/") for source in tags.sources)
    assert "http" not in re.sub(r'src="[^"]*"', "", page)


def test_pictures_are_inside(page: str) -> None:
    assert page.count(base64.b64encode(PICTURE).decode()) == 3
    assert '<svg viewBox="0 0 30 40"' in page


def test_a_name_cannot_inject_anything(page: str) -> None:
    assert "<script" not in page
    assert "me &amp; &lt;script&gt;" in page
    assert "a &lt;caption&gt;" in page


def test_numbers_verdicts_guesses_times_and_licences_are_told(page: str) -> None:
    verdicts = ("The outline is that of the photo.", "The left hand is hidden: guessed.", "left hand: guessed")
    for told in (
        *verdicts,
        "0.970",
        "60,000",
        "lift",
        "1.2 s",
        "engine (MIT)",
        "vivant 1",
        "steps&quot;: 3",
        "abc",
    ):
        assert told in page, told


def test_it_adapts_to_a_phone(page: str) -> None:
    assert 'name="viewport"' in page
