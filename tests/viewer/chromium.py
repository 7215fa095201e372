"""A browser for tests: headless Chromium, spoken to over a pair of pipes (Chrome DevTools Protocol)."""

import base64
import io
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from PIL import Image

from vivant.core.cameras import Cameras, orbit
from vivant.core.images import to_float

FLAGS = (
    "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
    # Nothing outside this machine can be reached, whatever a page tries.
    "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>;127.0.0.1",
)  # fmt: skip


def orbiting(
    azimuth: float, elevation: float, target: torch.Tensor, extent: float, size: int
) -> tuple[Cameras, dict[str, object]]:
    """One camera twice: as ours, and as the page's."""
    camera = orbit(
        target,
        [azimuth],
        extent=extent,
        elevation_deg=elevation,
        width=size,
        height=size,
        fov_deg=26.0,
        fill=1.0,
    )
    focal = 0.5 / math.tan(math.radians(13))
    lens: dict[str, object] = {
        "yaw": math.radians(azimuth), "pitch": math.radians(elevation), "roll": 0, "distance": extent * focal,
        "target": target.tolist(), "focal": focal, "shift": [0, 0], "aspect": 1, "follow": 0,
    }  # fmt: skip
    return camera, lens


def find_chromium() -> str | None:
    """The program, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


SHOW = """(() => {
  const { viewer } = vivant, { clip, time, lens } = %s;
  viewer.choose(clip, false);
  viewer.time = time;
  viewer.lens = lens === "photo" ? viewer.record.photo : { ...viewer.lens, ...lens };
  viewer.overlays.shadow = false;
  return viewer.picture(%d, %d, (flat, width, height) => {
    flat.fillStyle = "#808080";
    flat.fillRect(0, 0, width, height);
  }).toDataURL().split(",")[1];
})()"""
"""A picture of the page's person on grey, as base64 of a PNG."""


LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(file), fcntl.F_DUPFD, 10) for file in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from its file 3 and writes to its file 4."""


class Chromium:
    """One window."""

    def __init__(self, folder: Path, size: tuple[int, int] = (512, 512), flags: tuple[str, ...] = ()) -> None:
        program = find_chromium()
        assert program, "there is no Chromium"
        ours, theirs = os.pipe(), os.pipe()
        launch = [sys.executable, "-c", LAUNCH, str(ours[0]), str(theirs[1]), program]
        profile = [f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"]
        self._process = subprocess.Popen(
            [*launch, *FLAGS, *flags, *profile, "about:blank"],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._out, self._in = os.fdopen(ours[1], "wb", 0), os.fdopen(theirs[0], "rb", 0)
        self._waiting = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        page = next(t for t in self._wait_for_targets() if t["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.resize(*size)

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._in.close()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Do one command of the protocol and give its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def resize(self, width: int, height: int, ratio: float = 1.0, phone: bool = False) -> None:
        """Show the page at a size, perhaps as a phone does."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=ratio, mobile=phone,
        )  # fmt: skip
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)

    def open(self, address: str, ready: str = "'ready' in document.documentElement.dataset") -> None:
        """Go to a page and wait until an expression is true."""
        self.events.clear()
        self.send("Page.navigate", url=address)
        self.wait(f"location.href !== 'about:blank' && document.readyState === 'complete' && ({ready})")

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 40.0) -> None:
        """Wait until an expression is true."""
        last = time.monotonic() + seconds
        while not self.run(expression):
            assert time.monotonic() < last, f"not within {seconds} s: {expression}; {self.complaints()}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Press the left button on the middle of an element."""
        place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({place})")
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float], modifiers: int = 0) -> None:
        """Press, move and release the left button. Modifiers: 8 is Shift."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind, x=x, y=y, button="left", buttons=int(kind != "mouseReleased"), clickCount=1,
                modifiers=modifiers,
            )  # fmt: skip

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Put fingers on the screen (`touchStart`), move them (`touchMove`), take them off (`touchEnd`)."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    def press(self, key: str, code: str = "", text: str = "") -> None:
        """Press and release a key."""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=code, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=code)

    def person(self, clip: int, time: float, lens: dict[str, object] | str, size: int) -> torch.Tensor:
        """What the page draws of its person on grey: sRGB, 0 to 1.

        Args:
            clip: Number of the motion; 0 is the photo's pose.
            time: Seconds into it.
            lens: The camera, in the page's own terms; `photo` for the photo's.
            size: Pixels, square.
        """
        told = json.dumps({"clip": clip, "time": time, "lens": lens})
        with Image.open(io.BytesIO(base64.b64decode(self.run(SHOW % (told, size, size))))) as image:
            return to_float(np.array(image.convert("RGB")))

    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def requests(self) -> list[str]:
        """Addresses the page asked for since it was opened."""
        wanted = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [e["params"]["request"]["url"] for e in wanted]

    def complaints(self) -> list[str]:
        """Errors and warnings the page made."""
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"])[:600])
            elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
            elif event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] == "error":
                found.append(json.dumps(event["params"]["args"])[:600])
        return found

    def _wait_for_targets(self) -> list[dict[str, Any]]:
        last = time.monotonic() + 30
        while True:
            targets = self.send("Target.getTargets")["targetInfos"]
            if any(target["type"] == "page" for target in targets):
                return targets
            assert time.monotonic() < last, "the browser opens no window"
            time.sleep(0.05)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            more = self._in.read(1 << 16)
            assert more, "the browser went away"
            self._waiting += more
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)
