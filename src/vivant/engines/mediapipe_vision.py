"""MediaPipe (Apache-2.0): people, 33 body points, 478 face points, 21 points a hand. Its only importer.

Its models come inside its wheel. Faults of the library that this file handles:

* `import mediapipe` pulls in OpenCV, matplotlib and sounddevice for drawing and audio that are not used
  here. OpenCV's wheel fails on machines without libGL, matplotlib takes a second: `_deferred`.
* It writes to the console from C++: `_quiet`.
* Its ready-made `Pose` sees one person; its detector sees several, so the graph is built from its parts.
* Its hand model takes pictures for mirrored selfies: `see_hand`.
"""

import contextlib
import functools
import importlib
import math
import os
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from vivant.engines.jobs import FaceSeen, HandSeen, PersonSeen, Pixels, PoseSeen, Region

DETECT_GRAPH = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
"""

POSE_GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "model_complexity"
input_side_packet: "enable_segmentation"
output_stream: "landmarks"
output_stream: "auxiliary"
output_stream: "world_landmarks"
output_stream: "mask"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_side_packet: "ENABLE_SEGMENTATION:enable_segmentation"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:auxiliary"
  output_stream: "WORLD_LANDMARKS:world_landmarks"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""

ROOM_AROUND = 1.25
"""The pose model was trained on squares this much larger than the person."""


@functools.lru_cache(maxsize=1)
def load_mediapipe() -> "MediapipeVision":
    """Load the engine once a process."""
    return MediapipeVision()


class MediapipeVision:
    """The `VisionEngine` on MediaPipe's models; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        with _quiet():
            self._library = _import_mediapipe()

    @functools.cached_property
    def _detector(self) -> Any:
        threshold = "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh"
        return self._graph(DETECT_GRAPH, {}, {threshold: 0.4})

    @functools.cached_property
    def _pose(self) -> Any:
        # Complexity 1 is the only one whose model is in the wheel; the others are downloaded.
        return self._graph(POSE_GRAPH, {"model_complexity": 1, "enable_segmentation": True}, {})

    @functools.cached_property
    def _face_mesh(self) -> Any:
        return self._library.solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
        )

    @functools.cached_property
    def _face_detector(self) -> Any:
        return self._library.solutions.face_detection.FaceDetection(0.5, model_selection=1)

    @functools.cached_property
    def _hands(self) -> Any:
        return self._library.solutions.hands.Hands(
            static_image_mode=True, max_num_hands=1, model_complexity=1, min_detection_confidence=0.2
        )

    def see_people(self, pixels: Pixels) -> list[PersonSeen]:
        """Find everybody who is large enough in the picture, best first."""
        height, width = pixels.shape[:2]
        found = []
        for detection in self._run("_detector", pixels).detections or []:
            data = detection.location_data
            hips, top = ((p.x * width, p.y * height) for p in data.relative_keypoints[:2])
            box = data.relative_bounding_box
            face = (
                box.xmin * width,
                box.ymin * height,
                (box.xmin + box.width) * width,
                (box.ymin + box.height) * height,
            )
            found.append(PersonSeen(_region(hips, top), face, float(detection.score[0])))
        return sorted(found, key=lambda person: -person.score)

    def see_pose(self, pixels: Pixels, region: Region) -> PoseSeen | None:
        """Read the body of the person in a region; None if nobody is there."""
        height, width = pixels.shape[:2]
        roi = self._library.framework_rect.NormalizedRect(
            x_center=region.center[0] / width,
            y_center=region.center[1] / height,
            width=region.side / width,
            height=region.side / height,
            rotation=region.angle,
        )
        seen = self._run("_pose", {"image": pixels, "roi": roi})
        if seen.landmarks is None or seen.mask is None:
            return None
        landmarks = seen.landmarks.landmark
        points = np.array([(p.x * width, p.y * height) for p in landmarks], np.float32)
        world = np.array([(p.x, p.y, p.z) for p in seen.world_landmarks.landmark], np.float32)
        hips, top = ((p.x * width, p.y * height) for p in seen.auxiliary.landmark[:2])
        return PoseSeen(
            points=points,
            points_world=world,
            visibility=np.array([p.visibility for p in landmarks], np.float32),
            mask=np.array(seen.mask, np.float32),
            region=_region(hips, top),
        )

    def see_faces(self, pixels: Pixels) -> list[tuple[float, float, float, float]]:
        """Find faces of any size: left, top, right, bottom."""
        height, width = pixels.shape[:2]
        boxes = [
            d.location_data.relative_bounding_box for d in self._run("_face_detector", pixels).detections or []
        ]
        return [
            (b.xmin * width, b.ymin * height, (b.xmin + b.width) * width, (b.ymin + b.height) * height)
            for b in boxes
        ]

    def see_face(self, pixels: Pixels) -> FaceSeen | None:
        """Read the points of the face that fills a good part of the picture."""
        height, width = pixels.shape[:2]
        faces = self._run("_face_mesh", pixels).multi_face_landmarks
        if not faces:
            return None
        points = [(p.x * width, p.y * height, p.z * width) for p in faces[0].landmark]
        return FaceSeen(np.array(points, np.float32))

    def see_hand(self, pixels: Pixels) -> HandSeen | None:
        """Read the points of the hand that fills a good part of the picture."""
        height, width = pixels.shape[:2]
        seen = self._run("_hands", pixels)
        if not seen.multi_hand_landmarks:
            return None
        side = seen.multi_handedness[0].classification[0]
        return HandSeen(
            points=np.array(
                [(p.x * width, p.y * height) for p in seen.multi_hand_landmarks[0].landmark], np.float32
            ),
            points_world=np.array(
                [(p.x, p.y, p.z) for p in seen.multi_hand_world_landmarks[0].landmark], np.float32
            ),
            # The model was trained on mirrored selfies, so what it calls right is a left hand.
            is_left=side.label == "Right",
            score=float(side.score),
        )

    def _graph(self, text: str, side_inputs: dict[str, Any], params: dict[str, Any]) -> Any:
        base = importlib.import_module("mediapipe.python.solution_base").SolutionBase
        return base(graph_config=text, side_inputs=side_inputs, calculator_params=params)

    def _run(self, graph: str, goods: Any) -> Any:
        with self._lock, _quiet():
            return getattr(self, graph).process(goods)


def _region(hips: tuple[float, float], top: tuple[float, float]) -> Region:
    """Square round a person, from the two points the models give: hips and a point above, far as the feet."""
    right, down = top[0] - hips[0], top[1] - hips[1]
    return Region(hips, 2 * ROOM_AROUND * math.hypot(right, down), math.atan2(right, -down))


def _import_mediapipe() -> Any:
    with _deferred("cv2", "matplotlib", "matplotlib.pyplot", "sounddevice"):
        import mediapipe
        from mediapipe.framework.formats import rect_pb2
    return types.SimpleNamespace(solutions=mediapipe.solutions, framework_rect=rect_pb2)


class _Later(types.ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _deferred(*names: str) -> Iterator[None]:
    """Let imports of these modules succeed at once; each is really loaded only if it is used later."""
    stand_ins = {name: _Later(name) for name in names if name not in sys.modules}
    for name, module in stand_ins.items():
        parent, _, child = name.rpartition(".")
        if parent in stand_ins:
            setattr(stand_ins[parent], child, module)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what MediaPipe's C++ writes to the console from the user, unless it fails. A stop is no failure."""
    with tempfile.TemporaryFile() as spoken, warnings.catch_warnings(), _few_words():
        # protobuf and absl warn about themselves.
        warnings.simplefilter("ignore")
        try:
            console = os.dup(2)
        except OSError:
            # There is no console.
            yield
            return
        os.dup2(spoken.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(console, 2)
            os.close(console)
            if failed:
                spoken.seek(0)
                sys.stderr.write(spoken.read().decode(errors="replace"))


@contextlib.contextmanager
def _few_words() -> Iterator[None]:
    """Ask the C++ libraries for errors only, while they load."""
    wanted = {"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
