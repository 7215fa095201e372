"""vivant: one photo in, an animatable 3D Gaussian avatar out.

Nothing heavy is imported until it is used.
"""

import importlib

__version__ = "0.1.0"

_WHERE = {
    "Avatar": "vivant.records",
    "Photo": "vivant.records",
    "Run": "vivant.core.run",
    "Shot": "vivant.animate",
    "VivantError": "vivant.core.errors",
    "builtin_motion": "vivant.animate",
    "create": "vivant.recipes",
    "draw": "vivant.animate",
    "load_avatar": "vivant.records",
    "picture": "vivant.animate",
    "play": "vivant.animate",
    "read_photo": "vivant.perceive",
    "refit": "vivant.recipes",
    "save_avatar": "vivant.records",
    "write_frames": "vivant.export",
}

__all__ = [  # noqa: F822, resolved by `__getattr__`
    "Avatar",
    "Photo",
    "Run",
    "Shot",
    "VivantError",
    "__version__",
    "builtin_motion",
    "create",
    "draw",
    "load_avatar",
    "picture",
    "play",
    "read_photo",
    "refit",
    "save_avatar",
    "write_frames",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'vivant' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
