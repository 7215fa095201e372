"""What the rooms hand each other: fields and checks, no algorithms."""

from vivant.core.cameras import Cameras
from vivant.records.avatar import FORMAT, Avatar, Origin, load_avatar, save_avatar
from vivant.records.body import Body, Pose, Rig, Shape
from vivant.records.capture import CapturePicture, Placed
from vivant.records.film import Acted, Footage, Sightings
from vivant.records.motion import Motion
from vivant.records.person import BODY_POINTS, HAND_POINTS, MIRRORED_POINTS, Hand, Person
from vivant.records.photo import Photo
from vivant.records.scores import Score, Scores
from vivant.records.splats import Binding, Rendering, Splats
from vivant.records.views import Views

__all__ = [
    "BODY_POINTS",
    "FORMAT",
    "HAND_POINTS",
    "MIRRORED_POINTS",
    "Acted",
    "Avatar",
    "Binding",
    "Body",
    "Cameras",
    "CapturePicture",
    "Footage",
    "Hand",
    "Motion",
    "Origin",
    "Person",
    "Photo",
    "Placed",
    "Pose",
    "Rendering",
    "Rig",
    "Score",
    "Scores",
    "Shape",
    "Sightings",
    "Splats",
    "Views",
    "load_avatar",
    "save_avatar",
]
