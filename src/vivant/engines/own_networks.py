"""Our own networks as engines: their weights from the package, or from a file of the user's."""

from importlib import resources
from pathlib import Path

from vivant.core.errors import MissingWeightsError
from vivant.networks import (
    BodyMapConfig,
    HumanNerf,
    Lifter,
    LifterConfig,
    LimbDirections,
    LimbsConfig,
    ModelCard,
    NerfConfig,
    Shading,
    Standoff,
    ViewUNet,
    ViewUNetConfig,
    load_weights,
)

MAKERS = {name: f"python tools/fit_{name}.py" for name in ("limbs", "shading", "standoff")}
"""What makes the weights of networks that `vivant train` does not."""


def load_view_generator(path: str = "") -> tuple[ViewUNet, ModelCard]:
    """Load the generator of views.

    Args:
        path: A file that `vivant train view` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(ViewUNet, ViewUNetConfig, _weights("view", path), network="view")


def load_nerf(path: str = "") -> tuple[HumanNerf, ModelCard]:
    """Load the human NeRF.

    Args:
        path: A file that `vivant train nerf` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(HumanNerf, NerfConfig, _weights("nerf", path), network="nerf")


def load_lifter(path: str = "") -> tuple[Lifter, ModelCard]:
    """Load the lifter.

    Args:
        path: A file that `vivant train lifter` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(Lifter, LifterConfig, _weights("lifter", path), network="lifter")


def load_standoff(path: str = "") -> tuple[Standoff, ModelCard]:
    """Load what is learned of depth.

    Args:
        path: A file that `tools/fit_standoff.py` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(Standoff, BodyMapConfig, _weights("standoff", path), network="standoff")


def load_shading(path: str = "") -> tuple[Shading, ModelCard]:
    """Load what is learned of light.

    Args:
        path: A file that `tools/fit_shading.py` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(Shading, BodyMapConfig, _weights("shading", path), network="shading")


def load_limbs(path: str = "") -> tuple[LimbDirections, ModelCard]:
    """Load what is learned of where limbs point.

    Args:
        path: A file that `tools/fit_limbs.py` made; empty takes the one in the package.

    Raises:
        MissingWeightsError: If none is in the package.
        BadFileError: If the file is missing, damaged, or of another network.
    """
    return load_weights(LimbDirections, LimbsConfig, _weights("limbs", path), network="limbs")


def _weights(network: str, path: str) -> Path:
    if path:
        return Path(path)
    packaged = Path(str(resources.files("vivant.engines").joinpath(f"assets/{network}.safetensors")))
    if not packaged.is_file():
        maker = MAKERS.get(network, f"vivant train {network}")
        raise MissingWeightsError(
            f"No weights of the network {network!r} come with this vivant. Make them with `{maker}`, and give "
            "the file that it writes."
        )
    return packaged
