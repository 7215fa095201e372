"""The rasteriser on the CPU: compiled kernels on threads, the same pictures for any number of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.threads import run_on_threads, thread_count
from vivant.splat.rasterizer import _blend, _project, _sort
from vivant.splat.rasterizer._geometry import CAMERA
from vivant.splat.rasterizer._limits import MARGIN
from vivant.splat.rasterizer._project import RECORD, TILE
from vivant.splat.rasterizer._request import Blended, Request
from vivant.splat.rasterizer._workspace import Workspace, lease_workspace


@dataclass(frozen=True)
class Cloud:
    """The splats as arrays."""

    means: np.ndarray
    quats: np.ndarray
    log_scales: np.ndarray
    logits: np.ndarray
    sh: np.ndarray
    features: np.ndarray
    """(splats, 0) if there are none."""


@dataclass(frozen=True)
class Settings:
    """What stays the same for all views of a call."""

    width: int
    height: int
    normals: bool
    antialiased: bool
    threads: int

    @property
    def tiles_across(self) -> int:
        """Tiles in a row of the picture."""
        return -(-self.width // TILE)

    @property
    def num_tiles(self) -> int:
        """Tiles in the picture."""
        return self.tiles_across * -(-self.height // TILE)


@dataclass(frozen=True)
class Drawing:
    """One view's arrays; the backward pass needs them again."""

    camera: np.ndarray
    records: np.ndarray
    """Sorted by depth: colour and depth first, then one set for each four extra channels."""

    slots: np.ndarray
    tile_order: np.ndarray
    tile_starts: np.ndarray
    tile_splats: np.ndarray
    tile_slots: np.ndarray
    extra: np.ndarray
    workspace: Workspace


def draw(request: Request) -> Blended:
    """Draw all views, one after the other."""
    splats, cameras = request.splats, request.cameras
    features = request.features if request.features is not None else splats.means.new_zeros(len(splats), 0)
    settings = Settings(
        cameras.width, cameras.height, request.normals, request.antialiased, request.threads or thread_count()
    )
    pictures = _draw_views(
        Cloud(
            *(
                _array(t)
                for t in (
                    splats.means,
                    splats.quats,
                    splats.log_scales,
                    splats.opacity_logits,
                    splats.sh,
                    features,
                )
            )
        ),
        [_flatten_camera(cameras, view) for view in range(len(cameras))],
        _array(request.background),
        settings,
    )
    return Blended(*(torch.from_numpy(picture) for picture in pictures[0]))


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def _flatten_camera(cameras: Cameras, view: int) -> np.ndarray:
    matrix = cameras.cam_from_world[view].detach().double().numpy()
    k = cameras.intrinsics[view].detach().double().numpy()
    focal, middle = np.array([k[0, 0], k[1, 1]]), np.array([k[0, 2], k[1, 2]])
    size = np.array([cameras.width, cameras.height])
    low, high = (-MARGIN * size - middle) / focal, (size + MARGIN * size - middle) / focal
    flat = np.empty(CAMERA, np.float32)
    flat[:9], flat[9:12] = matrix[:3, :3].ravel(), matrix[:3, 3]
    flat[12:16] = *focal, *middle
    flat[16:20] = low[0], high[0], low[1], high[1]
    flat[20:23] = -matrix[:3, :3].T @ matrix[:3, 3]
    flat[23] = 0 if cameras.orthographic else 1
    return flat


def _draw_views(
    cloud: Cloud, cameras: list[np.ndarray], backgrounds: np.ndarray, settings: Settings
) -> tuple[tuple[np.ndarray, ...], list[Drawing]]:
    views, height, width = len(cameras), settings.height, settings.width
    channels = 3 * settings.normals + cloud.features.shape[1]
    color, alpha = np.empty((views, height, width, 3), np.float32), np.empty((views, height, width), np.float32)
    depth, extra = np.empty_like(alpha), np.empty((views, height, width, channels), np.float32)
    drawings = []
    for view, camera in enumerate(cameras):
        drawing = _sort_view(cloud, camera, settings, channels)
        _blend_view(drawing, backgrounds[view], settings, color[view], depth[view], alpha[view], extra[view])
        drawings.append(drawing)
    return (color, alpha, depth, extra), drawings


def _sort_view(cloud: Cloud, camera: np.ndarray, settings: Settings, channels: int) -> Drawing:
    """Project, sort by depth, and list the splats of each tile."""
    space, num, threads = lease_workspace(), len(cloud.means), settings.threads
    take = space.take
    groups = -(-channels // 4)
    records = take("records", (num, RECORD), np.float32)
    extra = take("extra", (num, 4 * groups), np.float32)
    extra[:, channels - cloud.features.shape[1] : channels] = cloud.features
    extra[:, channels:] = 0
    keys, tiles = take("keys", (num,), np.uint32), take("tiles", (num,), np.int32)
    rows, scratch = take("rows", (threads, 8), np.int64), take("scratch", (threads, 32 * 8), np.float32)

    def project(thread: int) -> None:
        begin, end = num * thread // threads, num * (thread + 1) // threads
        _project.project(
            begin, end, cloud.means, cloud.quats, cloud.log_scales, cloud.logits, cloud.sh, camera, settings.width,
            settings.height, settings.antialiased, settings.normals, records, records.view(np.int32), extra, keys, tiles,
            rows[thread], scratch[thread],
        )  # fmt: skip

    run_on_threads(project, threads)
    order, other_keys = take("order", (num,), np.int32), take("other_keys", (num,), np.uint32)
    other_order, slots = take("other_order", (num,), np.int32), take("slots", (num + 1,), np.int32)
    drawn, swapped = _sort.sort_by_depth(keys, order, other_keys, other_order)
    order = other_order if swapped else order
    total = _sort.start_slots(tiles, slots)

    sorted_records = take("sorted", (1 + groups, drawn, RECORD), np.float32)
    integers = sorted_records[0].view(np.int32)
    counts = take("counts", (threads, settings.num_tiles), np.int32)
    starts = take("tile_starts", (settings.num_tiles + 1,), np.int32)
    tile_splats, tile_slots = take("tile_splats", (total,), np.int32), take("tile_slots", (total,), np.int32)

    def count(thread: int) -> None:
        begin, end = drawn * thread // threads, drawn * (thread + 1) // threads
        _sort.count_tiles(
            begin, end, records, order, sorted_records[0], integers, settings.tiles_across, counts[thread]
        )

    def fill(thread: int) -> None:
        begin, end = drawn * thread // threads, drawn * (thread + 1) // threads
        _sort.fill_tiles(
            begin, end, integers, slots, settings.tiles_across, counts[thread], tile_splats, tile_slots
        )
        for group in range(groups):
            _sort.copy_payload(begin, end, sorted_records[0], integers, extra, group, sorted_records[1 + group])

    run_on_threads(count, threads)
    _sort.start_tiles(counts, starts)
    run_on_threads(fill, threads)
    # The fullest tiles first, so that no thread starts a long one last.
    tile_order = np.argsort(starts[:-1] - starts[1:], kind="stable").astype(np.int32)
    return Drawing(camera, sorted_records, slots, tile_order, starts, tile_splats, tile_slots, extra, space)


def _blend_view(
    drawing: Drawing, background: np.ndarray, settings: Settings,
    color: np.ndarray, depth: np.ndarray, alpha: np.ndarray, extra: np.ndarray,
) -> None:  # fmt: skip
    threads = settings.threads
    planes = drawing.workspace.take("planes", (threads, _blend.BACKWARD_PLANES * _blend.PLANE + 8), np.float32)
    open_rows = drawing.workspace.take("open_rows", (threads, _blend.STRIPS + 1), np.uint64)
    tickets = np.zeros((len(drawing.records), 1), np.int64)

    def blend(thread: int) -> None:
        for group, records in enumerate(drawing.records):
            _blend.blend_tiles(
                tickets[group], drawing.tile_order, settings.tiles_across, settings.width, settings.height, background,
                records, records.view(np.int32), drawing.tile_starts, drawing.tile_splats, planes[thread],
                open_rows[thread], color, depth, alpha, extra, group - 1,
            )  # fmt: skip

    run_on_threads(blend, threads)
