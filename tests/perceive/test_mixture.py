"""Colour mixtures tell two kinds of pixels apart."""

import numpy as np

from vivant.perceive.mixture import fit_mixture


def pixels(color: tuple[float, float, float], place: tuple[float, float], count: int = 600) -> np.ndarray:
    random = np.random.default_rng(abs(hash((color, place))) % 1000)
    return random.normal((*color, *place), (0.03, 0.03, 0.03, 0.05, 0.05), (count, 5))


def test_each_pixel_is_best_explained_by_its_own_kind() -> None:
    shirt, skin = pixels((0.8, 0.1, 0.2), (0.3, 0.4)), pixels((0.8, 0.6, 0.5), (0.3, 0.1))
    sky, sand = pixels((0.4, 0.6, 0.9), (0.1, 0.1)), pixels((0.8, 0.7, 0.6), (0.6, 0.9))
    person = fit_mixture(np.concatenate([shirt, skin]), 4)
    background = fit_mixture(np.concatenate([sky, sand]), 4)
    ratio = person.log_likelihood(np.concatenate([shirt, skin])) - background.log_likelihood(
        np.concatenate([shirt, skin])
    )
    assert (ratio > 0).mean() > 0.99
    # Sand has nearly the colour of skin; its place decides.
    ratio = person.log_likelihood(sand) - background.log_likelihood(sand)
    assert (ratio < 0).mean() > 0.99


def test_one_gaussian_has_the_closed_forms_likelihood() -> None:
    features = pixels((0.5, 0.5, 0.5), (0.5, 0.5), 5000)
    mixture = fit_mixture(features, 1)
    spread = features.std(0)
    spread = np.sqrt(spread**2 + np.array([0.015**2] * 3 + [0.05**2] * 2))
    wanted = -0.5 * (((features - features.mean(0)) / spread) ** 2).sum(1) - np.log(spread).sum()
    np.testing.assert_allclose(mixture.log_likelihood(features), wanted, atol=0.2)


def test_the_same_pixels_give_the_same_mixture() -> None:
    features = np.random.default_rng(0).random((900, 5))
    np.testing.assert_array_equal(fit_mixture(features, 6).means, fit_mixture(features, 6).means)


def test_fewer_pixels_than_parts_still_make_a_mixture() -> None:
    features = np.random.default_rng(0).normal(0.5, 0.01, (20, 5))
    assert np.isfinite(fit_mixture(features, 12).log_likelihood(features)).all()
