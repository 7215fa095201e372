"""What lines through people say of an avatar's body."""

from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_finite
from vivant.core.errors import BadFileError
from vivant.core.run import Context
from vivant.networks import SurfaceLine
from vivant.records import Avatar


def knows_body(context: Context, line: SurfaceLine, avatar: Avatar, *, what: str, keeps: str) -> bool:
    """Whether a line is of the avatar's kind of body; if not, the user is told what stays as it is."""
    if avatar.shape.model == "anny" and len(avatar.rig.verts) == line.config.verts:
        return True
    context.note(f"Learned {what} is of the anny body; this body is another one, and keeps its {keeps}.")
    return False


def predicted(
    line: SurfaceLine, features: Float[Tensor, " features"], *, what: str, maker: str
) -> Float[Tensor, " verts"]:
    """What a line says of somebody.

    Raises:
        BadFileError: If it wants another count of numbers.
        NumericalError: If it says what is no number.
    """
    if len(features) != line.config.features:
        raise BadFileError(
            f"The weights for learned {what} want {line.config.features} numbers of a person; this version "
            f"of vivant has {len(features)}. Make them anew with {maker}."
        )
    found = line(features[None])[0]
    expect_finite(f"the weights for learned {what}", predicted=found)
    return found
