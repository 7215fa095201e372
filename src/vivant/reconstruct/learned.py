"""What is learned of people, asked about an avatar's body."""

from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_finite
from vivant.core.errors import BadFileError
from vivant.core.run import Context
from vivant.networks import BodyMap
from vivant.records import Avatar


def knows_body(context: Context, network: BodyMap, avatar: Avatar, *, what: str, keeps: str) -> bool:
    """Whether a network knows the avatar's kind of body; if not, the user is told what stays as it is.

    Raises:
        BadFileError: If the network reads avatars where its own body has no vertices.
    """
    places = network.places
    whole = not places.is_floating_point() and len(places) > 0
    if not whole or int(places.min()) < 0 or int(places.max()) >= network.config.verts:
        raise BadFileError(
            f"The weights for learned {what} are damaged: they name no vertices. Copy them anew."
        )
    if avatar.shape.model == "anny" and len(avatar.rig.verts) == network.config.verts:
        return True
    context.note(f"Learned {what} is of the anny body; this body is another one, and keeps its {keeps}.")
    return False


def predicted(
    network: BodyMap, features: Float[Tensor, " features"], *, what: str, maker: str
) -> Float[Tensor, " verts"]:
    """What a network says of somebody.

    Raises:
        BadFileError: If it wants another count of numbers, or answers what is no number.
        NumericalError: If the numbers are none.
    """
    if len(features) != network.config.features:
        raise BadFileError(
            f"The weights for learned {what} want {network.config.features} numbers of a person; this version "
            f"of vivant has {len(features)}. Make them anew with {maker}."
        )
    expect_finite(f"reading the avatar for learned {what}", features=features)
    found = network(features[None])[0]
    if not bool(found.isfinite().all()):
        raise BadFileError(
            f"The weights for learned {what} answer what is no number: they are damaged. Copy them anew."
        )
    return found
