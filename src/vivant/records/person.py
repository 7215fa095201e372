"""The one person in a photo, found and cut out."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts

BODY_POINTS = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
    "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky",
    "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel",
    "left_foot_index", "right_foot_index",
)  # fmt: skip
"""The 33 points of BlazePose, in order. Left is the person's own left."""

MIRRORED_POINTS = tuple(
    BODY_POINTS.index(name.replace("left", "#").replace("right", "left").replace("#", "right"))
    for name in BODY_POINTS
)
"""Which point takes each point's place in a mirror."""

HAND_POINTS = (
    "wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip
"""The 21 points of a hand, in order."""


@dataclass(frozen=True)
class Hand:
    """One hand, found."""

    points: Float[Tensor, "21 2"]
    """In pixels of the person's image."""

    points_world: Float[Tensor, "21 3"]
    """Metres round the hand's centre, OpenCV camera axes."""

    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class Person:
    """The person, cropped from the photo with some room around."""

    image: Float[Tensor, "height width 3"]
    """sRGB, 0 to 1: the crop, background included."""

    foreground: Float[Tensor, "height width 3"]
    """The person's own colour, free of background at hair and rim; defined everywhere near the mask."""

    alpha: Float[Tensor, "height width"]
    """How much of each pixel is the person (with clothes, hair and hat)."""

    intrinsics: Float[Tensor, "3 3"]
    """A first camera for `image`, in its pixels (the principal point may lie off its centre)."""

    photo_from_image: Float[Tensor, "3 3"]
    """Takes this image's pixels to the photo's: scale and shift, and quarter turns if the photo was turned."""

    keypoints: Float[Tensor, "33 2"]
    """In pixels of `image`, in the order of `BODY_POINTS`; may lie outside the picture."""

    keypoints_world: Float[Tensor, "33 3"]
    """Metres round the hips' centre, OpenCV camera axes (a guess by the detector)."""

    confidence: Float[Tensor, "33"]
    """0 to 1: the detector's visibility, lowered where repeated detections disagree, 0 off the picture."""

    spread_px: Float[Tensor, "33"]
    """How far repeated detections lie apart, in pixels."""

    face: Float[Tensor, "478 3"] | None
    """In pixels of `image` (z too, relative to the face's centre); None if no face was found."""

    left_hand: Hand | None
    right_hand: Hand | None

    visible_parts: tuple[str, ...]
    """Of head, torso, left_arm, right_arm, left_hand, right_hand, left_leg, right_leg, left_foot, right_foot:
    those the picture shows."""

    notes: tuple[str, ...]
    """Plain sentences for the report: what was guessed and why."""

    def __post_init__(self) -> None:
        """Check that pictures have one size."""
        expect_counts("Person (height)", image=self.image.shape[0], foreground=self.foreground.shape[0],
                      alpha=self.alpha.shape[0])  # fmt: skip
        expect_counts("Person (width)", image=self.image.shape[1], foreground=self.foreground.shape[1],
                      alpha=self.alpha.shape[1])  # fmt: skip

    @property
    def height_px(self) -> float:
        """The person's extent in pixels: the unit in which errors are told."""
        shown = self.keypoints[self.confidence > 0.3]
        shown = shown if len(shown) > 1 else self.keypoints
        return float((shown.amax(0) - shown.amin(0)).max())
