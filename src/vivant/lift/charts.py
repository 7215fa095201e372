"""Flat charts of a part's colours: what was seen, smoothed so that one garment wins at each height.

The colours seen are sorted into a few families. For each family a chart (along the part by across it) tells
how much of it was seen where; blurred charts compete at each place. So a guess is the colour most seen around
there, its borders are smooth lines, and a print or a tie loses against the cloth around it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from vivant.lift.sight import lookup

CELL = 0.01
"""Metres."""

FAMILIES = 8

APART = 0.06
"""Families lie at least this far apart: light and shade of one cloth stay together and mix smoothly."""

CONTEST = 16.0
"""How hard families compete: 1 mixes by what was seen, more lets the strongest win."""


@dataclass(frozen=True)
class Chart:
    """Colours and amounts of each family over a grid."""

    origin: Float[ndarray, "2"]
    amount: Float[ndarray, "rows columns families"]
    color: Float[ndarray, "rows columns families 3"]

    def colors_at(self, along: Float[ndarray, " points"], across: Float[ndarray, " points"]) -> ndarray:
        """The winning colour at places; beyond the chart its border's."""
        where = np.stack([(across - self.origin[1]) / CELL, (along - self.origin[0]) / CELL], 1) + 0.5
        amount, tone = lookup(self.amount, where), lookup(self.color, where)
        return (amount[..., None] * tone).sum(1) / (1e-12 + amount.sum(1))[:, None]


def draw_chart(
    along: Float[ndarray, " seen"],
    across: Float[ndarray, " seen"],
    color: Float[ndarray, "seen 3"],
    weight: Float[ndarray, " seen"],
    blur: tuple[float, float],
    wider: tuple[float, float] = (3.5, 2.5),
    apart: float = APART,
) -> Chart:
    """Chart what was seen.

    Args:
        along: Metres along the part.
        across: Metres across it.
        color: What was seen there.
        weight: How much each counts.
        blur: Metres that an example reaches along and across; where nothing is near, farther.
        wider: How many times farther it reaches where families compete: a print loses, a sunlit side stays.
        apart: How far families lie apart at least.
    """
    origin = np.array([along.min() - 0.1, across.min() - 0.1])
    shape = tuple(
        int(np.ceil((values.max() + 0.1 - start) / CELL)) + 1
        for values, start in zip((along, across), origin, strict=True)
    )
    cell = np.round((along - origin[0]) / CELL).astype(int) * shape[1] + np.round(
        (across - origin[1]) / CELL
    ).astype(int)
    family = color_families(color, weight, apart)
    wide = (wider[0] * blur[0], wider[1] * blur[1])
    families, cells = int(family.max()) + 1, shape[0] * shape[1]
    planes = np.stack([
        np.bincount(family * cells + cell, weight * value, families * cells).reshape(families, *shape)
        for value in (1.0, *color.T)
    ])  # fmt: skip
    amount, *rgb = _blur_far(planes, blur)
    tones = np.stack(rgb, -1) / np.maximum(amount[..., None], 1e-30)
    amount = _blur_far(planes[0], wide)
    share = (amount / np.maximum(amount.sum(0), 1e-30)) ** CONTEST
    return Chart(origin, np.moveaxis(share, 0, -1), np.moveaxis(tones, 0, 2))


def color_families(
    color: Float[ndarray, "seen 3"], weight: Float[ndarray, " seen"], apart: float = APART
) -> ndarray:
    """Sort colours into a few families: k-means with starts far apart; brightness counts less than hue."""
    features = oklab_from_srgb(color) * [0.4, 1.0, 1.0]
    some = slice(None, None, max(1, len(features) // 3000))
    sample, counts = features[some], weight[some]
    centers = [np.average(sample, axis=0, weights=counts)]
    for _ in range(FAMILIES - 1):
        away = np.min([((sample - center) ** 2).sum(1) for center in centers], axis=0)
        if away.max() < apart**2:
            break
        centers.append(sample[np.argmax(np.minimum(away, 0.12**2) * counts)])
    for _ in range(8):
        family = _nearest_center(sample, centers)
        used = [number for number in range(len(centers)) if (family == number).any()]
        centers = [np.average(sample[family == k], axis=0, weights=counts[family == k]) for k in used]
    return _nearest_center(features, centers)


def _nearest_center(features: ndarray, centers: list[ndarray]) -> ndarray:
    at = np.stack(centers)
    return ((at**2).sum(1) - 2 * features @ at.T).argmin(1)


def oklab_from_srgb(color: Float[ndarray, "colors 3"]) -> Float[ndarray, "colors 3"]:
    """Lightness and two opponent colours in which distances mean much the same everywhere (Ottosson 2020)."""
    linear = np.where(color <= 0.04045, color / 12.92, ((np.clip(color, 0, None) + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [[0.4122214708, 0.2119034982, 0.0883024619],
         [0.5363325363, 0.6806995451, 0.2817188376],
         [0.0514459929, 0.1073969566, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(cones) @ np.array(
        [[0.2104542553, 1.9779984951, 0.0259040371],
         [0.7936177850, -2.4285922050, 0.7827717662],
         [-0.0040720468, 0.4505937099, -0.8086757660]]
    )  # fmt: skip


def _blur_far(planes: ndarray, blur: tuple[float, float]) -> ndarray:
    """Blur at growing sizes, the larger ones counting so little that they matter only where nothing is near."""
    axes = (planes.ndim - 2, planes.ndim - 1)
    result = ndimage.gaussian_filter(
        planes, [reach / CELL for reach in blur], mode="constant", truncate=3.0, axes=axes
    )
    for turn, size in ((1, 2.5), (2, 6.0), (3, 15.0)):
        # Two boxes, as wide as a bell of that size: their cost does not grow with it.
        box = [2 * round(1.2 * min(size * reach, 0.4) / CELL) + 1 for reach in blur]
        wide = ndimage.uniform_filter(planes, box, mode="constant", axes=axes)
        result += 0.02**turn * ndimage.uniform_filter(wide, box, mode="constant", axes=axes)
    return result + 1e-12 * planes.sum(axes, keepdims=True)
