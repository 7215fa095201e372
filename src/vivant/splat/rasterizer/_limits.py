"""Constants that all backends share; those of gsplat 1.5."""

BLUR = 0.3
"""Square pixels added to each projected variance: no splat is thinner than a pixel."""

ALPHA_LEAST = 1 / 255
"""A splat is skipped where it is fainter."""

ALPHA_MOST = 0.999
TRANSMITTANCE_LEAST = 1e-4
"""A pixel takes no more splats once less light than this gets through."""

NEAR = 0.01
"""Metres: splats whose centre is nearer to the camera are not drawn, orthographic or not."""

MARGIN = 0.15
"""The projection is linearised no farther outside the picture than this part of its size."""
