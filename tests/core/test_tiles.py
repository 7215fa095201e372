"""Each tile lists what touches it, all of it and nothing else, in order, whatever the number of threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads
from vivant.core.tiles import (
    TILE,
    count_box,
    fill_tiles,
    fullest_first,
    list_box,
    next_tile,
    start_tiles,
    tile_box,
    tiles_along,
    touched_tiles,
)

Box = tuple[int, int, int, int]


# Parts live in kernels. These are not kept on disk: numba would not notice a change of the parts.
@kernel(cache=False)
def count(begin, end, boxes, tiles_across, counts):
    counts[:] = 0
    for i in range(begin, end):
        left, right, top, bottom = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        if left < right and top < bottom:
            count_box(left, right, top, bottom, tiles_across, counts)


@kernel(cache=False)
def touched(left, right, top, bottom):
    return touched_tiles(left, right, top, bottom)


@kernel(cache=False)
def list_with_slots(boxes, tiles_across, places, items, slots):
    for i in range(boxes.shape[0]):
        list_box(
            boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], tiles_across, places, items, i, slots, 10 * i
        )  # fmt: skip


@kernel(cache=False)
def box_of_tile(tile, tiles_across, width, height):
    return tile_box(tile, tiles_across, width, height)


@kernel(cache=False)
def draw_all(ticket, order, drawn):
    while True:
        tile = next_tile(ticket, order)
        if tile < 0:
            break
        drawn[tile] += 1


def list_items(boxes: list[Box], width: int, height: int, threads: int) -> list[list[int]]:
    """Each tile's list, made as the rasterisers do."""
    across, num = tiles_along(width), len(boxes)
    tiles = across * tiles_along(height)
    array = np.array(boxes, np.int32).reshape(-1, 4)
    counts, starts = np.empty((threads, tiles), np.int32), np.empty(tiles + 1, np.int32)

    def counted(thread: int) -> None:
        count(num * thread // threads, num * (thread + 1) // threads, array, across, counts[thread])

    def filled(thread: int) -> None:
        fill_tiles(num * thread // threads, num * (thread + 1) // threads, array, across, counts[thread], items)

    run_on_threads(counted, threads)
    start_tiles(counts, starts)
    items = np.full(starts[-1], -1, np.int32)
    run_on_threads(filled, threads)
    return [items[begin:end].tolist() for begin, end in zip(starts[:-1], starts[1:], strict=True)]


def list_slowly(boxes: list[Box], width: int, height: int) -> list[list[int]]:
    """The same, from the pixels of each tile and of each box."""
    lists = []
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            rows, columns = set(range(top, top + TILE)), set(range(left, left + TILE))
            lists.append(
                [
                    i
                    for i, (a, b, c, d) in enumerate(boxes)
                    if rows & {*range(c, d)} and columns & {*range(a, b)}
                ]
            )
    return lists


WIDTH, HEIGHT = 2 * TILE + 9, TILE + 1


@st.composite
def some_boxes(draw: st.DrawFn) -> list[Box]:
    """Boxes in the picture, some of them empty, many with an end at a tile's rim or the picture's."""
    columns = st.one_of(st.sampled_from([0, TILE - 1, TILE, TILE + 1, 2 * TILE, WIDTH]), st.integers(0, WIDTH))
    rows = st.one_of(st.sampled_from([0, TILE - 1, TILE, HEIGHT]), st.integers(0, HEIGHT))
    return draw(st.lists(st.tuples(columns, columns, rows, rows), max_size=12))


@given(some_boxes(), st.integers(1, 4))
def test_a_tile_lists_what_touches_it_in_order(boxes: list[Box], threads: int) -> None:
    assert list_items(boxes, WIDTH, HEIGHT, threads) == list_slowly(boxes, WIDTH, HEIGHT)


def test_boxes_that_end_where_tiles_do_touch_no_neighbours() -> None:
    boxes = [(0, TILE, 0, TILE), (TILE, 2 * TILE, 0, TILE), (TILE - 1, TILE + 1, 0, 1), (TILE, TILE + 1, 0, 1)]
    assert list_items(boxes, 3 * TILE, TILE, 1) == [[0, 2], [1, 2, 3], []]


def test_empty_boxes_are_nowhere_and_a_whole_picture_is_everywhere() -> None:
    boxes = [(5, 5, 0, 9), (70, 60, 0, 9), (0, 9, 3, 3), (0, WIDTH, 0, HEIGHT)]
    assert list_items(boxes, WIDTH, HEIGHT, 2) == [[3]] * 6
    assert list_items([], WIDTH, HEIGHT, 2) == [[]] * 6


def test_an_item_has_as_many_slots_as_tiles() -> None:
    boxes = np.array([(0, WIDTH, 0, HEIGHT), (TILE - 1, TILE + 1, 0, 1), (3, 4, TILE, HEIGHT)], np.int32)
    counts, starts = np.zeros((1, 6), np.int32), np.empty(7, np.int32)
    count(0, 3, boxes, 3, counts[0])
    start_tiles(counts, starts)
    items, slots = np.full((2, starts[-1]), -1, np.int32)
    list_with_slots(boxes, 3, counts[0], items, slots)
    for i, wanted in enumerate((6, 2, 1)):
        assert slots[items == i].tolist() == list(range(10 * i, 10 * i + wanted))
        assert touched(*boxes[i]) == wanted


@pytest.mark.parametrize(("pixels", "tiles"), [(1, 1), (TILE, 1), (TILE + 1, 2), (8 * TILE, 8)])
def test_tiles_cover_all_pixels(pixels: int, tiles: int) -> None:
    assert tiles_along(pixels) == tiles


def test_tiles_at_the_rim_end_where_the_picture_does() -> None:
    assert box_of_tile(0, 3, WIDTH, HEIGHT) == (0, TILE, 0, TILE)
    assert box_of_tile(5, 3, WIDTH, HEIGHT) == (2 * TILE, WIDTH, TILE, HEIGHT)


def test_the_fullest_tiles_are_drawn_first_and_equally_full_ones_in_order() -> None:
    starts = np.cumsum([0, 2, 0, 7, 2, 0], dtype=np.int32)
    assert fullest_first(starts).tolist() == [2, 0, 3, 1, 4]


def test_threads_draw_each_tile_once() -> None:
    ticket, order = np.zeros(1, np.int64), np.random.default_rng(0).permutation(5000).astype(np.int32)
    drawn = np.zeros((3, 5000), np.int32)
    run_on_threads(lambda thread: draw_all(ticket, order, drawn[thread]), 3)
    assert (drawn.sum(0) == 1).all()
