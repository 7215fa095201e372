"""What is told of whoever is like somebody known."""

import numpy as np
import pytest
import torch

from vivant.networks import BodyMapConfig, Standoff
from vivant.networks.body_map import UNUSUAL


def test_kernels_say_much_of_who_is_like_somebody_known_and_the_mean_of_others() -> None:
    network = Standoff(BodyMapConfig(known=2, width=1.0, patterns=2)).eval()
    network.known[0], network.known[1] = 1.0, -1.0
    network.amounts[:] = torch.eye(2)
    network.patterns[0], network.patterns[1] = 10.0, -10.0
    network.mean[:] = 1.0
    told = torch.stack([torch.ones(36), -torch.ones(36), torch.full((36,), 2.0), torch.zeros(36)])
    found = 1e3 * network(told)[:, 0]
    # Kernels fall by e for each squared standard deviation.
    apart = 10 * np.exp(-4.0)
    assert found.tolist() == pytest.approx(
        [11 - apart, -9 + apart, 1 + 10 * np.exp(-1.0) - 10 * np.exp(-9.0), 1.0], abs=1e-4
    )
    # Features are cut: nobody is more unusual than UNUSUAL.
    far = 1e3 * network(torch.full((1, 36), 1e6))[0, 0]
    assert float(far) == pytest.approx(
        1 + 10 * np.exp(-((UNUSUAL - 1) ** 2)) - 10 * np.exp(-((UNUSUAL + 1) ** 2))
    )
    # What counts nothing makes nobody unlike.
    network.shares[:] = 0.0
    network.shares[3] = 1.0
    other = torch.full((1, 36), 50.0)
    other[0, 3] = 1.0
    assert float(1e3 * network(other)[0, 0]) == pytest.approx(11 - apart, abs=1e-4)
