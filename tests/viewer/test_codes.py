import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vivant.viewer.codes import encode_column, morton_order, quantize, quats_as_three, weights_as_bytes


def decoded(content: bytes, bits: int) -> np.ndarray:
    """What the page does, number by number."""
    count = len(content) * 8 // bits
    last, values = 0, []
    for i in range(count):
        folded = content[i] if bits == 8 else content[i] | content[count + i] << 8
        last = (last + ((folded >> 1) ^ -(folded & 1))) % 2**bits
        values.append(last)
    return np.array(values, f"u{bits // 8}")


@given(st.lists(st.integers(0, 255)), st.lists(st.integers(0, 65535)))
def test_columns_come_back(small: list[int], large: list[int]) -> None:
    for values, bits in ((np.array(small, np.uint8), 8), (np.array(large, np.uint16), 16)):
        assert (decoded(encode_column(values, bits), bits) == values).all()


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda row: sum(row) > 1e-3))
def test_weights_in_bytes_still_sum_to_one(row: list[float]) -> None:
    weights = np.array([row]) / sum(row)
    rounded = weights_as_bytes(weights)
    assert rounded.sum() == 255
    assert np.abs(rounded / 255 - weights).max() < 1 / 255


def test_quaternions_come_back_within_a_degree() -> None:
    quats = np.random.default_rng(0).normal(size=(500, 4))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    parts = quats_as_three(quats)
    back = np.zeros_like(quats)
    for row, (three, missing) in enumerate(zip(parts[:, :3], parts[:, 3], strict=True)):
        back[row, [k for k in range(4) if k != missing]] = (three / 255 * 2 - 1) * 0.5**0.5
        back[row, missing] = np.sqrt(1 - (back[row] ** 2).sum())
    angles = 2 * np.degrees(np.arccos(np.clip(np.abs((back * quats).sum(1)), 0, 1)))
    assert angles.max() < 1.0
    assert np.median(angles) < 0.4


def test_quantising_takes_what_is_outside_at_the_limit() -> None:
    assert quantize(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]), 0.0, 1.0, 8).tolist() == [0, 0, 128, 255, 255]


def test_the_curve_visits_every_point_once_and_keeps_neighbours_together() -> None:
    points = np.random.default_rng(0).random((2000, 3))
    order = morton_order(points)
    assert sorted(order.tolist()) == list(range(2000))
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
    assert steps < 0.3 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
