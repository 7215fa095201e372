"""Memory is used again, but never by two at once."""

import numpy as np

from vivant.core.workspace import Workspace


def test_arrays_have_their_shape_and_start_at_a_line_of_cache() -> None:
    space = Workspace()
    for shape, kind in (((5, 3), np.float32), ((9,), np.int64), ((7,), np.uint8)):
        array = space.take(f"{shape}", shape, kind)
        assert array.shape == shape
        assert array.dtype == kind
        assert array.ctypes.data % 64 == 0
    assert space.take("none", (0, 4), np.float32).shape == (0, 4)


def test_the_same_name_gives_the_same_memory_until_it_must_grow() -> None:
    space = Workspace()
    first = space.take("a", (100,), np.float32)
    assert space.take("a", (90,), np.float32).ctypes.data == first.ctypes.data
    larger = space.take("a", (1000,), np.float32)
    larger[:] = 1
    assert larger.shape == (1000,)


def test_what_is_let_go_is_lent_again_and_what_is_held_is_not() -> None:
    held = Workspace()
    lent = held.take("a", (64,), np.float32)
    other = Workspace()
    assert not np.shares_memory(other.take("a", (64,), np.float32), lent)
    place = lent.ctypes.data
    del held, lent
    assert Workspace().take("a", (64,), np.float32).ctypes.data == place
