"""A training's log: one JSON line an event, and one page with curves and pictures that needs nothing else."""

import base64
import html
import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.images import encode_image
from vivant.core.store import writing

KEPT_PICTURES = 4
"""Pictures on the page: the first and the latest."""

WIDTH, HEIGHT = 420, 160


class Log:
    """Writes `log.jsonl` and `log.html` into a folder."""

    def __init__(self, folder: Path, title: str, history: list[dict[str, int | float]]) -> None:
        """Go on with a history, or with an empty list; new events are added to it."""
        self.folder, self.title, self.history = folder, title, history
        self.pictures: list[tuple[int, str]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def note(self, **numbers: int | float) -> None:
        """Add one event."""
        self.history.append(numbers)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({name: round(value, 6) for name, value in numbers.items()}) + "\n")

    def show(self, step: int, picture: Float[Tensor, "height width 3"]) -> None:
        """Add a validation picture, and write the page."""
        encoded = base64.b64encode(encode_image(picture.float(), "webp", 85)).decode()
        self.pictures.append((step, encoded))
        if len(self.pictures) > KEPT_PICTURES:
            del self.pictures[1]
        self.write_page()

    def write_page(self) -> None:
        """Write the page anew.

        Raises:
            OutputError: If it cannot be written.
        """
        names = sorted({name for event in self.history for name in event} - {"step", "people", "seconds"})
        curves = "".join(_curve(name, self.history) for name in names)
        pictures = "".join(
            f'<h2>step {step}</h2><img src="data:image/webp;base64,{data}">' for step, data in self.pictures
        )
        page = (
            f"<!doctype html><meta charset=utf-8><title>{html.escape(self.title)}</title>"
            "<style>body{font:14px sans-serif;margin:2em}figure{display:inline-block;margin:.5em}"
            "img{max-width:100%}path{fill:none;stroke:#06c}svg{background:#f4f4f4}</style>"
            f"<h1>{html.escape(self.title)}</h1>{curves}{pictures}"
        )
        with writing(self.folder / "log.html") as temporary:
            temporary.write_text(page)


def _curve(name: str, history: list[dict[str, int | float]]) -> str:
    """One series over steps as a small drawing; at most 400 points, each the mean of its neighbours."""
    points = [(event["step"], event[name]) for event in history if name in event and "step" in event]
    if not points:
        return ""
    values = torch.tensor(points, dtype=torch.double)
    size = max(-(-len(values) // 400), 1)
    values = torch.stack([part.mean(0) for part in values.split(size)])
    low, high = values.amin(0), values.amax(0)
    scaled = (values - low) / (high - low).clamp(min=1e-12)
    path = " ".join(f"{x * WIDTH:.1f},{(1 - y) * HEIGHT:.1f}" for x, y in scaled.tolist())
    told = f"{html.escape(name)}: {points[-1][1]:.4g} ({float(low[1]):.4g} to {float(high[1]):.4g})"
    return (
        f"<figure><figcaption>{told}</figcaption>"
        f'<svg width={WIDTH} height={HEIGHT} viewBox="0 -3 {WIDTH} {HEIGHT + 6}"><path d="M{path}"/></svg>'
        "</figure>"
    )
