"""Colours and where they are: a mixture of Gaussians, and how well it explains a pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Features = Float[np.ndarray, "pixels 5"]
"""Red, green, blue (0 to 1), and x, y in units of the person's size."""

COLOR_NOISE = 0.015
"""Standard deviation that any colour has: grain and compression."""

PLACE_SPREAD = 0.05
"""Standard deviation that any place has, in units of the person's size."""

PLACE_WEIGHT = 0.3
"""How much place counts beside colour when pixels are grouped."""


FEW = 8
"""Fewer pixels say nothing about a spread."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians over colour and place; the two are independent within each."""

    log_weights: Float[np.ndarray, " parts"]
    """With the Gaussians' normalisation."""

    means: Float[np.ndarray, "parts 5"]
    precisions: Float[np.ndarray, "parts 5 5"]

    def log_likelihood(self, features: Features) -> Float[np.ndarray, " pixels"]:
        """How well the mixture explains each pixel."""
        apart = features[:, None] - self.means
        distance = np.einsum("npi,pij,npj->np", apart, self.precisions, apart, optimize=True)
        logs = self.log_weights - 0.5 * distance
        top = logs.max(1, keepdims=True)
        return (top + np.log(np.exp(logs - top).sum(1, keepdims=True)))[:, 0]


def fit_mixture(features: Features, parts: int) -> Mixture:
    """Group pixels by k-means and put a Gaussian on each group."""
    parts = min(parts, max(1, len(features) // FEW))
    group = _group(features * np.array([1, 1, 1, PLACE_WEIGHT, PLACE_WEIGHT]), parts)
    weights, means, precisions = [], [], []
    noise = np.diag([COLOR_NOISE**2] * 3 + [PLACE_SPREAD**2] * 2)
    together = np.zeros((5, 5))
    together[:3, :3] = together[3:, 3:] = 1
    for part in range(parts):
        members = features[group == part]
        if len(members) < FEW and parts > 1:
            continue
        mean = members.mean(0)
        covariance = (members - mean).T @ (members - mean) / len(members) * together + noise
        precisions.append(np.linalg.inv(covariance))
        means.append(mean)
        weights.append(np.log(len(members) / len(features)) - 0.5 * np.linalg.slogdet(covariance)[1])
    return Mixture(np.array(weights), np.array(means), np.array(precisions))


def _group(points: Features, parts: int, steps: int = 8) -> Int[np.ndarray, " pixels"]:
    """k-means from evenly drawn seeds: the same photo always gives the same groups."""
    random = np.random.default_rng(0)
    centers = points[random.choice(len(points), parts, replace=len(points) < parts)]
    group = np.zeros(len(points), int)
    for _ in range(steps):
        group = ((centers**2).sum(1) - 2 * points @ centers.T).argmin(1)
        count = np.bincount(group, minlength=parts)
        sums = np.stack([np.bincount(group, axis, parts) for axis in points.T], 1)
        centers = np.where(count[:, None] > 0, sums / count.clip(1)[:, None], centers)
    return group
