"""The report: one HTML page that carries everything it shows, readable on a phone."""

import base64
import json
from dataclasses import dataclass
from html import escape

from vivant.evaluate.likeness import judge
from vivant.records import Origin, Score, Scores


@dataclass(frozen=True)
class Panel:
    """One picture with a caption."""

    caption: str
    content: bytes
    """A picture file."""

    kind: str
    """jpeg, png or webp."""

    size: tuple[int, int]
    """Width and height in pixels."""

    overlay: str = ""
    """SVG shapes on top, in the pixels of `size`."""


@dataclass(frozen=True)
class Section:
    """Pictures that belong together."""

    title: str
    words: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Report:
    """All that the page tells."""

    title: str
    sections: tuple[Section, ...]
    """The first one stands on top, large."""

    scores: Scores
    parts: tuple[tuple[str, bool], ...]
    """Part of the body, and whether the photo shows it."""

    notes: tuple[str, ...]
    timings: tuple[tuple[str, str], ...]
    """Stage, and what it took."""

    origin: Origin
    lead: str = ""
    """The sentence under the title; by default for an avatar of one photo."""


def write_page(report: Report) -> str:
    """Write the page as HTML text."""
    first, *others = report.sections
    body = [
        f"<header><h1>{escape(report.title)}</h1><p>{escape(_lead(report))}</p></header>",
        _section(first, "hero"),
        _verdicts(report),
        *(_section(section) for section in others),
        _numbers(report.scores),
        _times(report.timings),
        _origin(report.origin),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _lead(report: Report) -> str:
    return report.lead or f"An avatar from one photo, made with the recipe “{report.origin.recipe}”."


def _section(section: Section, kind: str = "") -> str:
    figures = "".join(_figure(panel) for panel in section.panels)
    words = f"<p>{escape(section.words)}</p>" if section.words else ""
    return (
        f'<section class="{kind}"><h2>{escape(section.title)}</h2>{words}'
        f'<div class="panels n{len(section.panels)}">{figures}</div></section>'
    )


def _figure(panel: Panel) -> str:
    data = base64.b64encode(panel.content).decode()
    width, height = panel.size
    overlay = f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{panel.overlay}</svg>'
    return (
        f'<figure><div class="picture" style="aspect-ratio:{width}/{height}">'
        f'<img alt="{escape(panel.caption)}" src="data:image/{panel.kind};base64,{data}">'
        f"{overlay if panel.overlay else ''}</div><figcaption>{escape(panel.caption)}</figcaption></figure>"
    )


def _verdicts(report: Report) -> str:
    marks = {"good": "✓", "fair": "~", "poor": "!"}
    judged = [judge(score) for score in (*report.scores.per_view, *report.scores.summary)]
    lines = [
        f'<li class="{grade}"><b>{marks[grade]}</b>{escape(sentence)}</li>'
        for grade, sentence in (entry for entry in judged if entry is not None)
    ]
    lines += [f'<li class="note"><b>i</b>{escape(note)}</li>' for note in report.notes]
    chips = "".join(
        f'<span class="{"seen" if seen else "guessed"}">{escape(part.replace("_", " "))}'
        f"{'' if seen else ': guessed'}</span>"
        for part, seen in report.parts
    )
    chips = f'<div class="chips">{chips}</div>' if chips else ""
    return f'<section><h2>In plain words</h2><ul class="verdicts">{"".join(lines)}</ul>{chips}</section>'


def _numbers(scores: Scores) -> str:
    rows = "".join(_score_row(score) for score in (*scores.per_view, *scores.summary))
    head = "<tr><th>What</th><th>Value</th><th>How it is measured</th></tr>"
    return f"<section><h2>Numbers</h2><table>{head}{rows}</table></section>"


def _score_row(score: Score) -> str:
    whole = score.value == round(score.value) and not score.unit
    number = (
        f"{score.value:,.0f}" if whole else f"{score.value:.3f}" if not score.unit else f"{score.value:.1f}"
    )
    judged = judge(score)
    grade = judged[0] if judged else ""
    return (
        f'<tr><td>{escape(score.name)}</td><td class="number {grade}">{number} {escape(score.unit)}</td>'
        f"<td>{escape(score.definition)}</td></tr>"
    )


def _times(timings: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{escape(took)}</td></tr>' for name, took in timings
    )
    return f"<section><h2>Time</h2><table>{rows}</table></section>"


def _origin(origin: Origin) -> str:
    engines = "".join(f"<li>{escape(line)}</li>" for line in origin.engines)
    config = json.dumps(json.loads(origin.config or "{}"), indent=2)
    return (
        f"<section><h2>Made with</h2><ul>{engines}</ul><p>{escape(', '.join(origin.versions))}</p>"
        f'<p class="digest">SHA-256 of the photo: {escape(origin.photo)}</p>'
        f"<details><summary>All settings</summary><pre>{escape(config)}</pre></details></section>"
    )


STYLE = """
:root { --ink: #1d2126; --soft: #667080; --line: #e2e5ea; --paper: #fff; --ground: #f3f4f6;
  --good: #12805c; --fair: #a86a00; --poor: #c0392b; --seen: #1a9e99; --guessed: #f58c26; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ebee; --soft: #9aa4b2; --line: #333a44;
  --paper: #1c2026; --ground: #121519; --good: #3ecf9a; --fair: #f0b041; --poor: #ff7a6b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
header { padding: 8px 4px 16px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 14px;
  padding: 18px 18px 20px; margin-top: 16px; }
h2 { font-size: 18px; margin: 0 0 8px; }
section > p { margin: 0 0 12px; color: var(--soft); }
.panels { display: grid; gap: 12px; grid-template-columns: repeat(2, 1fr); }
.panels.n3 figure:first-child { grid-column: span 2; }
@media (min-width: 700px) { .panels.n3 figure:first-child { grid-column: auto; }
  .panels.n3 { grid-template-columns: repeat(3, 1fr); }
  .panels.n4 { grid-template-columns: repeat(4, 1fr); } .panels.n5 { grid-template-columns: repeat(5, 1fr); } }
figure { margin: 0; min-width: 0; }
.picture { position: relative; width: 100%; border-radius: 10px; overflow: hidden; background: var(--ground); }
.hero .picture { aspect-ratio: 3 / 4 !important; }
.hero .picture img { object-fit: contain; }
.picture img, .picture svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
figcaption { color: var(--soft); font-size: 14px; padding-top: 6px; text-align: center; }
ul { margin: 0; padding-left: 20px; }
.verdicts { list-style: none; padding: 0; display: grid; gap: 8px; }
.verdicts li { display: flex; gap: 10px; align-items: baseline; }
.verdicts b { flex: none; width: 24px; height: 24px; border-radius: 50%; color: #fff; font-size: 14px;
  display: inline-flex; align-items: center; justify-content: center; background: var(--soft); }
.verdicts .good b { background: var(--good); } .verdicts .fair b { background: var(--fair); }
.verdicts .poor b { background: var(--poor); }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 14px; }
.chips span { border-radius: 999px; padding: 2px 10px; font-size: 14px; border: 1px solid var(--seen); }
.chips .guessed { border-color: var(--guessed); color: var(--fair); }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th, td { text-align: left; padding: 7px 10px 7px 0; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child > * { border-top: 0; }
th { color: var(--soft); font-weight: 500; }
td:last-child { padding-right: 0; color: var(--soft); }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; color: var(--ink); }
td.good { color: var(--good); } td.fair { color: var(--fair); } td.poor { color: var(--poor); }
.digest { overflow-wrap: anywhere; font-size: 13px; }
section > ul + p { margin-top: 10px; }
details { margin-top: 10px; } summary { cursor: pointer; }
pre { overflow-x: auto; font-size: 13px; }
"""
