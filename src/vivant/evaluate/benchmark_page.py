"""The benchmark's page: tables with intervals, score against azimuth, best and worst cases, times."""

import base64
from dataclasses import dataclass
from html import escape

from vivant.evaluate.benchmark import (
    AS_PHOTOGRAPHED,
    METRICS,
    PHOTO_METRICS,
    SETS,
    Benchmark,
    Interval,
    bootstrap,
    difference,
    select,
)

VIEWS = (AS_PHOTOGRAPHED, "input", "front", "left", "right", "back")
"""The first is never aligned: what the photo shows, where it shows it."""

PLOT = (620, 240)
"""Pixels of a plot."""

COLORS = ("#2f6fde", "#d9480f", "#2b8a3e", "#862e9c", "#0b7285", "#e8590c")


@dataclass(frozen=True)
class Case:
    """One person in pictures."""

    person: str
    note: str
    pictures: tuple[tuple[str, bytes], ...]
    """Caption and JPEG file: photo, truth, ours, error map."""


def write_benchmark_page(runs: tuple[Benchmark, ...], cases: tuple[Case, ...]) -> str:
    """Write the page of one run, or of several with their differences to the first."""
    first = runs[0]
    names = _names(runs)
    parts = [
        f"<h1>{escape(' · '.join(names))}</h1>",
        f"<p>{_people(first)} people or photographs. Intervals: 95 %, bootstrap over them. "
        "Aligned: after the similarity of the twelve main joints. Front is evidence, back is imagination. "
        "Input, not aligned: the photo's own pixels, seen by the camera that the recipe found.</p>",
        _facts(first),
    ]
    if any(row.region == "photo" for row in first.rows):
        parts += ["<h2>Photographs against themselves</h2>", _photographs(runs, names)]
    else:
        parts += _against_truth(runs, names)
    if cases:
        parts.append("<h2>Pictures, the worst first</h2>")
        parts += [_case(case) for case in cases]
    parts += [_failures(run, name) for run, name in zip(runs, names, strict=True) if run.failures]
    parts += ["<h2>Seconds</h2>", *(_times(run, name) for run, name in zip(runs, names, strict=True))]
    parts += ["<h2>What the numbers mean</h2>", _definitions()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Benchmark: {escape(', '.join(names))}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _against_truth(runs: tuple[Benchmark, ...], names: list[str]) -> list[str]:
    parts = ["<h2>In short</h2>", _summary(runs, names)]
    if len(runs) > 1:
        parts += ["<h2>Differences</h2>", _differences(runs, names)]
    for pose, title in (("photo", "In the photo's pose"), ("new", "In other poses")):
        parts += [
            f"<h2>{title}</h2>",
            *(_by_view(run, name, pose) for run, name in zip(runs, names, strict=True)),
        ]
    parts += ["<h2>Score against azimuth</h2>", _azimuths(runs, names, "psnr"), _azimuths(runs, names, "flip")]
    return parts


def _photographs(runs: tuple[Benchmark, ...], names: list[str]) -> str:
    """One row a score; further runs with their difference to the first on the same photos."""
    rows = []
    for metric in PHOTO_METRICS:
        found = [select(run, metric, aligned=False, region="photo") for run in runs]
        cells = [told(bootstrap(values) if values else None, metric) for values in found]
        changes = [told(difference(found[0], other), metric) for other in found[1:]]
        rows.append([_label(metric), *cells, *changes])
    heads = ["score", *map(escape, names), *(f"{escape(n)} minus {escape(names[0])}" for n in names[1:])]
    return _table(heads, rows)


def _names(runs: tuple[Benchmark, ...]) -> list[str]:
    recipes = [run.recipe for run in runs]
    return [f"{r} ({i + 1})" if recipes.count(r) > 1 else r for i, r in enumerate(recipes)]


def _people(run: Benchmark) -> int:
    return len({row.person for row in run.rows if row.region != "set"} | {person for person, _ in run.failures})


def _facts(run: Benchmark) -> str:
    told_once: dict[str, list[str]] = {}
    for name, value in run.facts:
        told_once.setdefault(name, []).append(value)
    facts = (f"{escape(name)}: {escape(', '.join(values))}" for name, values in told_once.items())
    return f"<p class='facts'>{' · '.join(facts)}</p>"


def told(interval: Interval | None, metric: str) -> str:
    """A mean with its interval, in as many digits as make sense."""
    if interval is None:
        return "–"
    digits = {
        "psnr": 2,
        "ssim": 3,
        "ms_ssim": 3,
        "flip": 3,
        "gmsd": 3,
        "lpips": 3,
        "clip": 3,
        "iou": 3,
        "photo_psnr": 2,
        "photo_ssim": 3,
        "photo_iou": 3,
        "reprojection": 2,
        "flicker": 2,
    }.get(metric, 1)
    return f"{interval.mean:.{digits}f} <small>[{interval.low:.{digits}f}, {interval.high:.{digits}f}]</small>"


def region_of(metric: str, otherwise: str = "frame") -> str:
    """Where a metric's rows stand."""
    return "pose" if metric.startswith("joints") else "set" if metric in SETS else otherwise


def _interval(run: Benchmark, metric: str, **where: object) -> Interval | None:
    region = region_of(metric, str(where.pop("region", "frame")))
    aligned = metric != "joints_raw_mm" and bool(where.pop("aligned", True))
    where.pop("aligned", None)
    found = select(run, metric, aligned=aligned, region=region, **where)  # pyright: ignore[reportArgumentType]
    return bootstrap(found) if found else None


def _summary(runs: tuple[Benchmark, ...], names: list[str]) -> str:
    rows = []
    for metric in METRICS:
        cells = [told(_interval(run, metric), metric) for run in runs]
        if any(cell != "–" for cell in cells):
            rows.append([_label(metric), *cells])
    for metric, title in (("psnr", "PSNR, crop"), ("ssim", "SSIM, crop"), ("flip", "FLIP, crop")):
        rows.append([title, *(told(_interval(run, metric, region="crop"), metric) for run in runs)])
    for metric, title in (("psnr", "PSNR, not aligned"), ("iou", "mask IoU, not aligned")):
        rows.append([title, *(told(_interval(run, metric, aligned=False), metric) for run in runs)])
    return _table(["all views and poses, aligned, full frame", *map(escape, names)], rows)


def _differences(runs: tuple[Benchmark, ...], names: list[str]) -> str:
    rows = []
    for metric, (_, _, more, _) in METRICS.items():
        if metric in SETS:
            # One number a run: nothing to pair.
            continue
        cells = []
        for run in runs[1:]:
            region = region_of(metric)
            aligned = metric != "joints_raw_mm"
            pair = [select(r, metric, aligned=aligned, region=region) for r in (runs[0], run)]
            change = difference(pair[0], pair[1])
            mark = ""
            if change is not None and (change.low > 0 or change.high < 0):
                mark = " class='better'" if (change.low > 0) == more else " class='worse'"
            cells.append(f"<span{mark}>{told(change, metric)}</span>")
        if any("–" not in cell for cell in cells):
            rows.append([_label(metric), *cells])
    heads = [f"minus {escape(names[0])}, same people", *map(escape, names[1:])]
    return _table(heads, rows)


def _by_view(run: Benchmark, name: str, pose: str) -> str:
    measured = {row.metric for row in run.rows if row.view}
    metrics = [m for m in METRICS if m in measured]
    rows = []
    for view in VIEWS:
        aligned = view != VIEWS[0]
        cells = [told(_interval(run, m, view=view, pose=pose, aligned=aligned), m) for m in metrics]
        if any(cell != "–" for cell in cells):
            rows.append([view, *cells])
    joints = " · ".join(
        f"{METRICS[m][0]} {told(_interval(run, m, pose=pose), m)} mm" for m in ("joints_mm", "joints_raw_mm")
    )
    return _table([escape(name), *map(_label, metrics)], rows) + f"<p>{joints}</p>"


def _azimuths(runs: tuple[Benchmark, ...], names: list[str], metric: str) -> str:
    """A plot: views in the order of their azimuth, a line a run, bars for intervals."""
    order = (("right", -90.0), ("front", 0.0), ("left", 90.0), ("back", 180.0))
    width, height = PLOT
    found = [[(a, _interval(run, metric, view=v)) for v, a in order] for run in runs]
    known = [i for line in found for _, i in line if i is not None]
    if not known:
        return ""
    low, high = min(i.low for i in known), max(i.high for i in known)
    span = max(high - low, 1e-9)

    def place(azimuth: float, value: float) -> tuple[float, float]:
        return 50 + (azimuth + 90) / 270 * (width - 80), height - 30 - (value - low) / span * (height - 60)

    shapes = []
    for view, azimuth in order:
        x, _ = place(azimuth, low)
        shapes.append(f'<text x="{x:.0f}" y="{height - 6}" text-anchor="middle">{view} {azimuth:.0f}°</text>')
    for value in (low, (low + high) / 2, high):
        _, y = place(0.0, value)
        shapes.append(f'<text x="4" y="{y + 4:.0f}">{value:.3g}</text>')
        shapes.append(f'<line x1="46" x2="{width - 20}" y1="{y:.0f}" y2="{y:.0f}" stroke="#8884"/>')
    for number, line in enumerate(found):
        color = COLORS[number % len(COLORS)]
        points = [(a, i) for a, i in line if i is not None]
        path = " ".join("{:.1f},{:.1f}".format(*place(a, i.mean)) for a, i in points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for azimuth, interval in points:
            x, bottom = place(azimuth, interval.low)
            _, top = place(azimuth, interval.high)
            shapes.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{top:.1f}" stroke="{color}"/>'
            )
        shapes.append(f'<text x="{60 + 130 * number}" y="14" fill="{color}">{escape(names[number])}</text>')
    plot = f'<svg viewBox="0 0 {width} {height}">{"".join(shapes)}</svg>'
    return f"<figure>{plot}<figcaption>{_label(metric)}</figcaption></figure>"


def _case(case: Case) -> str:
    pictures = "".join(
        f'<figure><img alt="{escape(caption)}" src="{_embedded(content)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, content in case.pictures
    )
    return f"<h3>{escape(case.person)}: {escape(case.note)}</h3><div class='row'>{pictures}</div>"


def _embedded(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _failures(run: Benchmark, name: str) -> str:
    items = "".join(f"<li>{escape(person)}: {escape(why)}</li>" for person, why in run.failures)
    return f"<h2>{escape(name)}: no avatar</h2><ul>{items}</ul>"


def _times(run: Benchmark, name: str) -> str:
    stages: dict[str, dict[str, list[float]]] = {}
    for person, stage, seconds in run.timings:
        stages.setdefault(stage, {}).setdefault(person, []).append(seconds)
    rows = [[escape(stage), told(bootstrap(values), "seconds")] for stage, values in stages.items()]
    return _table([escape(name), "seconds a person"], rows)


def _definitions() -> str:
    rows = [
        [escape(v[0]), escape(v[1]), "more" if v[2] else "less", escape(v[3])]
        for v in (METRICS | PHOTO_METRICS).values()
    ]
    return _table(["score", "unit", "better", "definition"], rows)


def _label(metric: str) -> str:
    name, unit, more, _ = (METRICS | PHOTO_METRICS)[metric]
    return f"{escape(name)}{f' ({unit})' if unit else ''} {'↑' if more else '↓'}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{h}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


STYLE = """
:root{color-scheme:light dark}body{margin:0;font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:auto;padding:1.2rem}h1{margin:.2rem 0}
h2{margin:2rem 0 .5rem}h3{margin:1rem 0 .3rem}
.facts,small,figcaption{color:#7a7a7a}small{font-size:.8em}.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.4rem 0}
th,td{padding:.2rem .7rem;text-align:left;white-space:nowrap}
thead th{border-bottom:2px solid #8886}tbody tr:nth-child(even){background:#8881}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr));gap:.5rem}
.row figure:first-child{max-width:150px}
figure{margin:0}img,svg{width:100%;height:auto;border-radius:6px}svg{max-width:760px}
svg text{font-size:12px;fill:currentColor}
.better{color:#2b8a3e;font-weight:600}.worse{color:#c92a2a;font-weight:600}
"""
