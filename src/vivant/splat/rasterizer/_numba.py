"""The rasteriser on the CPU: compiled kernels on threads, the same pictures for any number of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.core.threads import run_on_threads, thread_count
from vivant.core.tiles import fullest_first, start_tiles, tiles_along
from vivant.core.workspace import Workspace
from vivant.splat.rasterizer import _blend, _blend_backward, _project, _project_backward, _sort
from vivant.splat.rasterizer._geometry import CAMERA
from vivant.splat.rasterizer._project import RECORD
from vivant.splat.rasterizer._project_backward import CHUNK, SCRATCH
from vivant.splat.rasterizer._request import Blended, Request, expect_finite_splats


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
    orthographic: bool
    normals: bool
    antialiased: bool
    threads: int

    @property
    def tiles_across(self) -> int:
        """Tiles in a row of the picture."""
        return tiles_along(self.width)

    @property
    def num_tiles(self) -> int:
        """Tiles in the picture."""
        return self.tiles_across * tiles_along(self.height)


@dataclass(frozen=True)
class Sketch:
    """One view, sorted; the backward pass needs it again."""

    camera: np.ndarray
    records: np.ndarray
    """In the order of the splats."""

    sorted_records: np.ndarray
    """Nearest first, one set for colour and depth, then one for each four extra channels."""

    slots: np.ndarray
    tile_order: np.ndarray
    tile_starts: np.ndarray
    tile_splats: np.ndarray
    tile_slots: np.ndarray
    workspace: Workspace


@dataclass(frozen=True)
class Pictures:
    """What was drawn, all views."""

    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    extra: np.ndarray


def draw(request: Request) -> Blended:
    """Draw all views, one after the other."""
    splats, cameras = request.splats, request.cameras
    features = request.features if request.features is not None else splats.means.new_zeros(len(splats), 0)
    threads = request.threads or thread_count()
    settings = Settings(
        cameras.width, cameras.height, cameras.orthographic, request.normals, request.antialiased, threads
    )
    try:
        pictures = _Drawing.apply(
            splats.means, splats.quats, splats.log_scales, splats.opacity_logits, splats.sh, features,
            request.background, cameras.cam_from_world, cameras.intrinsics, settings,
        )  # fmt: skip
    except _NotFiniteError:
        expect_finite_splats(splats)
        # Finite as they are given, but not in the kernels' float32.
        raise BadInputError("Splats hold numbers beyond 3e38; metres and logarithms are far smaller.") from None
    return Blended(*pictures)


class _NotFiniteError(Exception):
    """A kernel met a number that is none; who asked for the picture is told which."""


class _Drawing(torch.autograd.Function):
    """Ties the kernels into autograd."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        *tensors, settings = inputs
        cloud = Cloud(*(_array(tensor) for tensor in tensors[:6]))
        background, matrices, intrinsics = tensors[6:]
        cameras = [_flatten_camera(*pair, settings) for pair in zip(matrices, intrinsics, strict=True)]
        pictures, sketches = _draw_views(cloud, cameras, _array(background), settings)
        outputs = tuple(torch.from_numpy(picture) for picture in pictures)
        ctx.set_materialize_grads(False)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*tensors, *outputs)
            ctx.kept = cloud, sketches, settings
        return tuple(output.to(tensors[0].dtype) for output in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, color, alpha, depth, extra = ctx.saved_tensors
        needed = ctx.needs_input_grad[:-1]
        cloud, sketches, settings = ctx.kept
        pictures = Pictures(*(_array(picture) for picture in (color, alpha, depth, extra)))
        arrays = [None if gradient is None else _array(gradient) for gradient in gradients]
        if not extra.shape[-1]:
            arrays[3] = None
        *by_cloud, by_camera = _draw_backward(cloud, sketches, settings, pictures, arrays, any(needed[7:]))
        results = [torch.from_numpy(array) for array in by_cloud]
        results.append(_background_gradient(arrays[0], pictures.alpha) if needed[6] else torch.zeros(0))
        results += [_matrix_gradient(by_camera), _intrinsics_gradient(by_camera)]
        wanted = (
            result.to(tensor.dtype) if need else None
            for result, tensor, need in zip(results, tensors, needed, strict=True)
        )
        return (*wanted, None)


def _background_gradient(by_color: np.ndarray | None, alpha: np.ndarray) -> Tensor:
    if by_color is None:
        return torch.zeros(len(alpha), 3)
    return torch.from_numpy(np.einsum("vhw,vhwc->vc", 1 - alpha, by_color))


def _matrix_gradient(by_camera: np.ndarray) -> Tensor:
    matrices = np.zeros((len(by_camera), 4, 4))
    matrices[:, :3, :3], matrices[:, :3, 3] = by_camera[:, :9].reshape(-1, 3, 3), by_camera[:, 9:12]
    return torch.from_numpy(matrices)


def _intrinsics_gradient(by_camera: np.ndarray) -> Tensor:
    intrinsics = np.zeros((len(by_camera), 3, 3))
    intrinsics[:, 0, 0], intrinsics[:, 1, 1] = by_camera[:, 12], by_camera[:, 13]
    intrinsics[:, :2, 2] = by_camera[:, 14:]
    return torch.from_numpy(intrinsics)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _flatten_camera(cam_from_world: Tensor, intrinsics: Tensor, settings: Settings) -> np.ndarray:
    matrix, k = cam_from_world.detach().double().numpy(), intrinsics.detach().double().numpy()
    focal, middle = np.array([k[0, 0], k[1, 1]]), np.array([k[0, 2], k[1, 2]])
    flat = np.empty(CAMERA, np.float32)
    flat[:9], flat[9:12] = matrix[:3, :3].ravel(), matrix[:3, 3]
    flat[12:16] = *focal, *middle
    flat[16:19] = -matrix[:3, :3].T @ matrix[:3, 3]
    flat[19:] = not settings.orthographic, settings.antialiased, settings.width, settings.height
    return flat


def _draw_views(
    cloud: Cloud, cameras: list[np.ndarray], backgrounds: np.ndarray, settings: Settings
) -> tuple[tuple[np.ndarray, ...], list[Sketch]]:
    views, height, width = len(cameras), settings.height, settings.width
    channels = 3 * settings.normals + cloud.features.shape[1]
    color, alpha = np.empty((views, height, width, 3), np.float32), np.empty((views, height, width), np.float32)
    depth, extra = np.empty_like(alpha), np.empty((views, height, width, channels), np.float32)
    sketches = []
    for view, camera in enumerate(cameras):
        sketch = _sort_view(cloud, camera, settings, channels)
        _blend_view(sketch, backgrounds[view], settings, color[view], depth[view], alpha[view], extra[view])
        sketches.append(sketch)
    return (color, alpha, depth, extra), sketches


def _sort_view(cloud: Cloud, camera: np.ndarray, settings: Settings, channels: int) -> Sketch:
    """Project, sort by depth, and list the splats of each tile."""
    space, num, threads = Workspace(), len(cloud.means), settings.threads
    take = space.take
    groups = -(-channels // 4)
    records = take("records", (num, RECORD), np.float32)
    extra = take("extra", (num, 4 * groups), np.float32)
    extra[:, channels - cloud.features.shape[1] : channels] = cloud.features
    extra[:, channels:] = 0
    keys, tiles = take("keys", (num,), np.uint32), take("tiles", (num,), np.int32)
    rows, scratch = take("rows", (threads, 8), np.int64), take("scratch", (threads, SCRATCH), np.float32)
    tables = (cloud.means, cloud.quats, cloud.log_scales, cloud.logits, cloud.sh)
    sound = np.zeros((threads, len(tables)), np.bool_)

    def project(thread: int) -> None:
        begin, end = num * thread // threads, num * (thread + 1) // threads
        sound[thread] = [_project.all_finite(table[begin:end].reshape(-1)) for table in tables]
        _project.project(
            begin, end, cloud.means, cloud.quats, cloud.log_scales, cloud.logits, cloud.sh, camera,
            settings.normals, records, records.view(np.int32), extra, keys, tiles,
            rows[thread], scratch[thread],
        )  # fmt: skip

    run_on_threads(project, threads)
    if not sound.all():
        raise _NotFiniteError
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
        _sort.copy_and_count(
            begin, end, records, order, sorted_records[0], integers, settings.tiles_across, counts[thread]
        )

    def fill(thread: int) -> None:
        begin, end = drawn * thread // threads, drawn * (thread + 1) // threads
        _sort.list_splats(
            begin, end, integers, slots, settings.tiles_across, counts[thread], tile_splats, tile_slots
        )
        for group in range(groups):
            _sort.copy_payload(begin, end, sorted_records[0], integers, extra, group, sorted_records[1 + group])

    run_on_threads(count, threads)
    start_tiles(counts, starts)
    run_on_threads(fill, threads)
    return Sketch(
        camera, records, sorted_records, slots, fullest_first(starts), starts, tile_splats, tile_slots, space
    )


def _blend_view(
    sketch: Sketch, background: np.ndarray, settings: Settings,
    color: np.ndarray, depth: np.ndarray, alpha: np.ndarray, extra: np.ndarray,
) -> None:  # fmt: skip
    threads = settings.threads
    planes = sketch.workspace.take("planes", (threads, _blend.BACKWARD_PLANES * _blend.PLANE + 8), np.float32)
    open_rows = sketch.workspace.take("open_rows", (threads, _blend.STRIPS + 1), np.uint64)
    tickets = np.zeros((len(sketch.sorted_records), 1), np.int64)

    def blend(thread: int) -> None:
        for group, records in enumerate(sketch.sorted_records):
            _blend.blend_tiles(
                tickets[group], sketch.tile_order, settings.tiles_across, settings.width, settings.height,
                background, records, records.view(np.int32), sketch.tile_starts, sketch.tile_splats,
                planes[thread], open_rows[thread], color, depth, alpha, extra, group - 1,
            )  # fmt: skip

    run_on_threads(blend, threads)


def _draw_backward(
    cloud: Cloud, sketches: list[Sketch], settings: Settings, pictures: Pictures,
    gradients: list[np.ndarray | None], wants_camera: bool,
) -> list[np.ndarray]:  # fmt: skip
    """Gradients by the arrays of `cloud`; and by rotation, shift and optics of each camera."""
    inputs = (cloud.means, cloud.quats, cloud.log_scales, cloud.logits, cloud.sh, cloud.features)
    results = [np.empty_like(array) for array in inputs]
    by_camera = np.zeros((len(sketches), -(-len(cloud.means) // CHUNK), 16))
    by_picture, by_extra = any(g is not None for g in gradients[:3]), gradients[3] is not None
    # Without a gradient of depth nothing reads one: it gets no rows.
    shapes = (pictures.color, pictures.alpha, pictures.depth[:, :0], pictures.extra)
    names = ("no_color", "no_alpha", "no_depth", "no_extra")
    filled = [
        _zeros(sketches[0].workspace, name, picture) if gradient is None else gradient
        for name, picture, gradient in zip(names, shapes, gradients, strict=True)
    ]
    for view, sketch in enumerate(sketches):
        slots = _blend_view_backward(sketch, settings, pictures, filled, view, by_picture, by_extra)
        _project_view_backward(
            cloud, sketch, settings, slots, (by_picture, by_extra), view > 0, wants_camera, results,
            by_camera[view]
        )  # fmt: skip
    return [*results, by_camera.sum(1)]


def _zeros(space: Workspace, name: str, like: np.ndarray) -> np.ndarray:
    """Zeros in memory that is used again: fresh pages cost several times the filling."""
    zeros = space.take(name, like.shape, np.float32)
    zeros.fill(0)
    return zeros


def _blend_view_backward(
    sketch: Sketch, settings: Settings, pictures: Pictures, gradients: list[np.ndarray], view: int,
    by_picture: bool, by_extra: bool,
) -> np.ndarray:  # fmt: skip
    threads, take = settings.threads, sketch.workspace.take
    groups = len(sketch.sorted_records)
    slots = take("gradients", (groups, len(sketch.tile_slots), _blend_backward.SLOT), np.float32)
    planes = take("planes", (threads, _blend.BACKWARD_PLANES * _blend.PLANE + 8), np.float32)
    open_rows = take("open_rows", (threads, _blend.STRIPS + 1), np.uint64)
    tickets = np.zeros((groups, 1), np.int64)
    wanted = [by_picture] + [by_extra] * (groups - 1)
    deep = gradients[2].shape[1] > 0

    def blend(thread: int) -> None:
        for group in range(groups):
            if wanted[group]:
                records = sketch.sorted_records[group]
                _blend_backward.blend_tiles_backward(
                    tickets[group], sketch.tile_order, settings.tiles_across, settings.width, settings.height,
                    records, records.view(np.int32), sketch.tile_starts, sketch.tile_splats, sketch.tile_slots,
                    planes[thread], open_rows[thread], pictures.color[view], pictures.depth[view],
                    pictures.alpha[view], pictures.extra[view], gradients[0][view], gradients[2][view],
                    gradients[1][view], gradients[3][view], deep, group - 1, slots[group],
                )  # fmt: skip

    run_on_threads(blend, threads)
    return slots


def _project_view_backward(
    cloud: Cloud, sketch: Sketch, settings: Settings, slots: np.ndarray, filled: tuple[bool, bool], add: bool,
    wants_camera: bool, results: list[np.ndarray], by_camera: np.ndarray,
) -> None:  # fmt: skip
    threads, chunks = settings.threads, len(by_camera)
    rows = sketch.workspace.take("rows", (threads, 8), np.int64)
    scratch = sketch.workspace.take("scratch", (threads, SCRATCH), np.float32)

    def project(thread: int) -> None:
        _project_backward.project_backward(
            chunks * thread // threads, chunks * (thread + 1) // threads, cloud.means, cloud.quats,
            cloud.log_scales, cloud.logits, cloud.sh, sketch.camera, settings.normals, sketch.records,
            sketch.slots, slots, *filled, add, wants_camera, *results, by_camera, rows[thread], scratch[thread],
        )  # fmt: skip

    run_on_threads(project, threads)
