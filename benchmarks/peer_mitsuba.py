"""mitsuba's `volprim_rf_basic` on a CPU, as a peer for `bench_rasterize.py --peers`.

    pip install --target peers mitsuba
    PYTHONPATH=peers DRJIT_LIBLLVM_PATH=/path/to/libLLVM-19.so python benchmarks/bench_rasterize.py --peers

It traces rays through ellipsoids and adds the Gaussians' peaks along each ray: no EWA, one ray a pixel at a
random place. Pictures therefore differ a little from ours; time and purpose are comparable.
"""

import importlib.util
import math

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Splats

SHAPE = "splats"
TABLES = ("data", "opacities", "sh_coeffs")
"""As mitsuba keeps them; `data` holds centres, scales and quaternions."""
LIGHTS = 512
"""So many splats along a ray at most."""


def why_not() -> str:
    """Why it cannot be measured; empty if it can."""
    if importlib.util.find_spec("mitsuba") is None:
        return "mitsuba is not installed"
    try:
        import mitsuba

        mitsuba.set_variant("llvm_ad_rgb")
        _touch()
    except (ImportError, RuntimeError, AttributeError) as error:
        return f"mitsuba's LLVM variant does not work here ({str(error).splitlines()[0][:100]})"
    return ""


def _touch() -> None:
    import drjit

    drjit.eval(drjit.llvm.Float(1) + 1)


class Peer:
    """A scene that can be drawn again and again."""

    def __init__(self, splats: Splats, camera: Cameras) -> None:
        """Build it."""
        import mitsuba

        self.scene = mitsuba.load_dict(
            {
                "type": "scene",
                "integrator": {"type": "volprim_rf_basic", "max_depth": LIGHTS, "srgb_primitives": False},
                "sensor": _sensor(camera),
                SHAPE: {"type": "ellipsoids", **_tables(splats)},
            }
        )
        self.parameters = mitsuba.traverse(self.scene)
        self.names = [f"{SHAPE}.{name}" for name in TABLES]

    def draw(self) -> Tensor:
        """The picture; colours on black."""
        import drjit
        import mitsuba

        picture = mitsuba.render(self.scene, self.parameters, spp=1)
        drjit.eval(picture)
        drjit.sync_thread()
        return torch.from_numpy(picture.numpy())[..., :3]

    def draw_and_back(self) -> None:
        """The picture, and gradients of its sum to all tables."""
        import drjit
        import mitsuba

        for name in self.names:
            drjit.enable_grad(self.parameters[name])
        self.parameters.update()
        picture = mitsuba.render(self.scene, self.parameters, spp=1)
        drjit.backward(drjit.sum(picture, axis=None))
        drjit.eval(*(drjit.grad(self.parameters[name]) for name in self.names))
        drjit.sync_thread()


def _tables(splats: Splats) -> dict[str, object]:
    import mitsuba

    values = {
        "centers": splats.means,
        "scales": splats.log_scales.exp(),
        # Its quaternions have the real part last.
        "quaternions": splats.quats.roll(-1, 1),
        "opacities": splats.opacities[:, None],
        "sh_coeffs": splats.sh.flatten(1),
    }
    return {name: mitsuba.TensorXf(value.detach().contiguous().numpy()) for name, value in values.items()}


def _sensor(camera: Cameras) -> dict[str, object]:
    import mitsuba

    # Its cameras look along z with x to the left and y up.
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    world_from_camera = torch.linalg.inv(camera.cam_from_world[0]) @ turned
    width, focal = camera.width, float(camera.intrinsics[0, 0, 0])
    return {
        "type": "perspective",
        "fov": math.degrees(2 * math.atan(width / (2 * focal))),
        "fov_axis": "x",
        "near_clip": 0.01,
        "to_world": mitsuba.ScalarTransform4f(world_from_camera.double().numpy()),
        "film": {
            "type": "hdrfilm",
            "width": width,
            "height": camera.height,
            "rfilter": {"type": "box"},
            "pixel_format": "rgb",
        },
        "sampler": {"type": "independent", "sample_count": 1},
    }
