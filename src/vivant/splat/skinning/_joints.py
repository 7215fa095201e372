"""Bindings that name joints which do not exist are refused."""

from vivant.core.errors import BadInputError
from vivant.records import Binding


def refuse_missing_joints(binding: Binding, transforms: int) -> None:
    """Look through all.

    Raises:
        BadInputError: If a joint has no transform.
    """
    if not len(binding.face):
        return
    least, most = map(int, binding.skin_joints.aminmax())
    if most >= transforms or least < 0:
        wrong = most if least >= 0 else least
        raise BadInputError(f"`skin_joints` name joint {wrong}; there are {transforms} transforms.")
