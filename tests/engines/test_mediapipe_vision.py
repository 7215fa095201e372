"""MediaPipe's wrapper: what it sees, and that nobody else has to know its manners."""

import importlib.resources
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vivant.core.images import read_picture
from vivant.engines.jobs import Region
from vivant.engines.mediapipe_vision import MediapipeVision, _deferred, _quiet, load_mediapipe
from vivant.records import BODY_POINTS, HAND_POINTS

LEFT_WRIST, RIGHT_WRIST = BODY_POINTS.index("left_wrist"), BODY_POINTS.index("right_wrist")
NOSE, LEFT_ANKLE = BODY_POINTS.index("nose"), BODY_POINTS.index("left_ankle")


@pytest.fixture(scope="module")
def engine() -> MediapipeVision:
    return load_mediapipe()


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """A woman from head to foot, facing the camera."""
    path = importlib.resources.files("vivant.recipes") / "assets" / "sample.jpg"
    return read_picture(Path(str(path)), 1280).pixels


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ}
    )


SEE = """
import numpy as np
from vivant.engines.mediapipe_vision import load_mediapipe
engine = load_mediapipe()
picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
found = engine.see_people(picture), engine.see_face(picture), engine.see_hand(picture)
assert found == ([], None, None), found
"""


def test_nothing_of_its_chatter_reaches_the_console() -> None:
    done = run_python(SEE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_loads_where_opencv_and_matplotlib_cannot() -> None:
    block = """
import sys
class NoLibrary:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cv2", "matplotlib", "sounddevice"):
            raise ImportError("libGL.so.1: cannot open shared object file")
sys.meta_path.insert(0, NoLibrary())
"""
    check = "import sys\nassert 'cv2' not in sys.modules and 'matplotlib' not in sys.modules\n"
    done = run_python(block + SEE + check)
    assert done.returncode == 0, done.stderr


def test_a_deferred_module_is_there_once_it_is_used() -> None:
    sys.modules.pop("colorsys", None)
    with _deferred("colorsys"):
        import colorsys

        assert type(colorsys).__name__ == "_Later"
    assert colorsys.rgb_to_hsv(1, 0, 0) == (0.0, 1.0, 1.0)


def test_what_it_says_is_told_when_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), _quiet():
        os.write(2, b"the graph has no input\n")
        raise RuntimeError("broken")
    assert "the graph has no input" in capfd.readouterr().err
    with _quiet():
        os.write(2, b"chatter\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_it_says_is_not_told_when_the_user_stops(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), _quiet():
        os.write(2, b"the graph is torn down\n")
        raise KeyboardInterrupt
    assert capfd.readouterr().err == ""
    assert "GLOG_minloglevel" not in os.environ


def test_the_same_object_serves_the_whole_process(engine: MediapipeVision) -> None:
    assert load_mediapipe() is engine


def test_it_finds_the_person(engine: MediapipeVision, sample: np.ndarray) -> None:
    (person,) = engine.see_people(sample)
    assert person.score > 0.8
    assert abs(person.region.angle) < math.radians(10)
    left, top, right, bottom = person.face_box
    # Her face is at about (470, 170) of 960 x 1280.
    assert left < 470 < right and top < 170 < bottom


def test_it_reads_the_body_with_left_on_the_persons_left(engine: MediapipeVision, sample: np.ndarray) -> None:
    (person,) = engine.see_people(sample)
    pose = engine.see_pose(sample, person.region)
    assert pose is not None
    # She faces us: her left is on the right of the picture; and up is up.
    assert pose.points[LEFT_WRIST, 0] > pose.points[RIGHT_WRIST, 0] + 200
    assert pose.points[NOSE, 1] < pose.points[LEFT_ANKLE, 1] - 800
    assert pose.points_world[LEFT_WRIST, 0] > pose.points_world[RIGHT_WRIST, 0]
    assert pose.points_world[LEFT_ANKLE, 1] > 0.5
    assert pose.mask.shape == sample.shape[:2]
    columns, rows = pose.points[[11, 12, 23, 24]].astype(int).T
    assert pose.mask[rows, columns].min() > 0.9
    assert pose.mask[:, :60].max() < 0.1


def test_it_sees_nobody_where_nobody_is(engine: MediapipeVision) -> None:
    empty = np.full((256, 256, 3), 90, np.uint8)
    assert engine.see_people(empty) == []
    assert engine.see_pose(empty, Region((128.0, 128.0), 256.0)) is None
    assert engine.see_faces(empty) == []


def test_it_tells_how_far_a_person_is_turned(engine: MediapipeVision, sample: np.ndarray) -> None:
    for quarters, angle in ((1, -90), (2, 180), (3, 90)):
        (person,) = engine.see_people(np.ascontiguousarray(np.rot90(sample, quarters)))
        off = (math.degrees(person.region.angle) - angle + 180) % 360 - 180
        assert abs(off) < 15


def test_it_reads_a_face(engine: MediapipeVision, sample: np.ndarray) -> None:
    crop = np.ascontiguousarray(sample[60:300, 350:590])
    (box,) = engine.see_faces(crop)
    face = engine.see_face(crop)
    assert face is not None
    middle = face.points[:, :2].mean(0)
    assert box[0] < middle[0] < box[2] and box[1] < middle[1] < box[3]


def test_it_reads_hands_and_tells_their_side(engine: MediapipeVision, sample: np.ndarray) -> None:
    seen = {}
    for side, box in (("left", (570, 560, 730, 760)), ("right", (220, 560, 380, 760))):
        x0, y0, x1, y1 = box
        hand = engine.see_hand(np.ascontiguousarray(sample[y0:y1, x0:x1].repeat(2, 0).repeat(2, 1)))
        assert hand is not None
        assert hand.points.shape == (len(HAND_POINTS), 2)
        # Fingertips hang below the wrist.
        assert hand.points[12, 1] > hand.points[0, 1]
        seen[side] = hand.is_left
    assert seen == {"left": True, "right": False}


def test_the_same_picture_gives_the_same_points(engine: MediapipeVision, sample: np.ndarray) -> None:
    (person,) = engine.see_people(sample)
    first = engine.see_pose(sample, person.region)
    engine.see_face(sample)
    second = engine.see_pose(sample, person.region)
    assert first is not None and second is not None
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.mask, second.mask)
