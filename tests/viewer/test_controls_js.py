"""The page in a browser with no network: buttons, keys, fingers, what is hostile, what is missing."""

import json
import re
from pathlib import Path

import pytest
from tests.viewer.chromium import Chromium
from tests.viewer.conftest import HOSTILE, motions

NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_the_page_asks_no_network_for_anything(opened: Chromium, page: Path) -> None:
    opened.run("vivant.page.asInPhoto()")
    opened.run(NEXT_FRAME)
    assert [address for address in opened.requests() if not address.startswith(("data:", "blob:"))] == [
        page.as_uri()
    ]
    assert not opened.complaints()


def test_the_page_may_not_reach_the_network_even_if_something_tried(opened: Chromium) -> None:
    assert opened.run("fetch('http://127.0.0.1:9/').then(() => 'reached', () => 'refused')") == "refused"
    told = " ".join(opened.complaints())
    assert "Content Security Policy" in told


def test_hostile_names_are_words_on_the_page(opened: Chromium) -> None:
    assert opened.run("document.title") == HOSTILE
    assert opened.run("document.querySelector('h1').textContent") == HOSTILE
    assert opened.run("document.querySelectorAll('img').length") == 0
    assert HOSTILE in opened.run("document.querySelector('#about').textContent")
    options = opened.run("[...document.querySelectorAll('#motion option')].map(option => option.textContent)")
    assert options == ["As in the photo", "Wave", "Walk <across>"]


def test_play_pause_scrub_and_speed_do_what_they_say(opened: Chromium) -> None:
    opened.click("#play")
    opened.wait("vivant.viewer.time > 0.1")
    assert opened.run("document.querySelector('#play').getAttribute('aria-label')") == "Pause"
    opened.click("#play")
    stopped = opened.run("vivant.viewer.time")
    opened.run(NEXT_FRAME)
    assert opened.run("vivant.viewer.time") == stopped
    box = opened.run(
        "(r => [r.x, r.y + r.height / 2, r.width])(document.querySelector('#seek').getBoundingClientRect())"
    )
    opened.drag((box[0] + 20, box[1]), (box[0] + box[2] / 2, box[1]))
    length = len(motions()[0]) / motions()[0].fps
    assert opened.run("vivant.viewer.time") == pytest.approx(length / 2, rel=0.06)
    opened.press("]")
    assert opened.run("[vivant.viewer.speed, document.querySelector('#speed').value]") == [2, "2"]


def test_a_motion_that_does_not_loop_begins_again_and_is_followed(opened: Chromium) -> None:
    opened.run(
        "(s => { s.value = 2; s.dispatchEvent(new Event('change')); })(document.querySelector('#motion'))"
    )
    opened.run("vivant.page.play(false), vivant.viewer.advance(1, false)")
    last = len(motions()[1]) / motions()[1].fps - 0.1
    opened.run(f"vivant.viewer.time = {last - 0.5}")
    # The camera's target has gone with the person, nearly three metres.
    assert 2.0 < opened.run("vivant.viewer.offset()[2]") < 3.0
    opened.run(f"vivant.viewer.time = {last - 0.001}; vivant.viewer.advance(0.01, true)")
    assert opened.run("vivant.viewer.time") == 0


def test_drag_wheel_and_keys_move_the_camera(opened: Chromium) -> None:
    lens = "Object.assign({}, vivant.viewer.lens)"
    before = opened.run(lens)
    opened.drag((200, 200), (240, 190))
    turned = opened.run(lens)
    assert turned["yaw"] < before["yaw"] and turned["pitch"] < before["pitch"]
    opened.drag((200, 200), (240, 200), modifiers=8)
    moved = opened.run(lens)
    assert moved["yaw"] == turned["yaw"] and moved["target"] != turned["target"]
    opened.send("Input.dispatchMouseEvent", type="mouseWheel", x=200, y=200, deltaX=0, deltaY=-200)
    opened.wait(f"vivant.viewer.lens.distance < {moved['distance'] * 0.95}")
    near = opened.run(lens)
    opened.press("-", text="-")
    opened.press("ArrowLeft")
    last = opened.run(lens)
    assert last["distance"] > near["distance"] and last["yaw"] > near["yaw"]


def test_fingers_turn_and_pinch_on_a_phone(opened: Chromium) -> None:
    opened.resize(390, 780, 1, phone=True)
    before = opened.run("Object.assign({}, vivant.viewer.lens)")
    opened.touch("touchStart", (150, 300))
    opened.touch("touchMove", (190, 300))
    opened.touch("touchEnd")
    turned = opened.run("Object.assign({}, vivant.viewer.lens)")
    assert turned["yaw"] < before["yaw"] and turned["distance"] == before["distance"]
    opened.touch("touchStart", (150, 300), (230, 300))
    opened.touch("touchMove", (110, 300), (270, 300))
    opened.touch("touchEnd")
    pinched = opened.run("Object.assign({}, vivant.viewer.lens)")
    assert pinched["distance"] == pytest.approx(turned["distance"] / 2, rel=0.1)


def test_everything_lies_on_a_phones_screen_and_is_large_enough_to_touch(opened: Chromium) -> None:
    opened.resize(360, 640, 1, phone=True)
    opened.click("#more")
    boxes = opened.run(
        "[...document.querySelectorAll('button, select, #panel, #dock')].map(e => "
        "(r => [e.id, r.left, r.top, r.right, r.bottom])(e.getBoundingClientRect()))"
    )
    for name, left, top, right, bottom in boxes:
        assert 0 <= left and 0 <= top and right <= 360 and bottom <= 640, name
        assert right - left >= 44 and bottom - top >= 36, name


def test_the_photo_button_goes_to_the_photos_pose_and_camera(opened: Chromium) -> None:
    opened.click("#photo")
    opened.wait("!vivant.page.flight && !vivant.viewer.fading")
    assert opened.run("vivant.viewer.clip") == 0
    assert opened.run("document.querySelector('#play').disabled")

    def parts(lens: str) -> list[float]:
        numbers = f"[{lens}.yaw, {lens}.pitch, {lens}.roll, {lens}.distance, {lens}.aspect, ...{lens}.target]"
        return json.loads(opened.run(f"JSON.stringify({numbers})"))

    assert parts("vivant.viewer.lens") == pytest.approx(parts("vivant.viewer.record.photo"), abs=1e-6)
    opened.click("#home")
    opened.wait("!vivant.page.flight")
    assert opened.run("vivant.viewer.lens.roll") == pytest.approx(0, abs=1e-6)


def test_overlays_and_backgrounds_change_the_picture(opened: Chromium) -> None:
    opened.run("vivant.page.setGround(4)")
    pictures = [opened.screenshot()]
    for key in ("s", "w", "b"):
        opened.press(key)
        opened.run(NEXT_FRAME)
        pictures.append(opened.screenshot())
    assert len(set(pictures)) == 4
    assert opened.run("document.querySelector('#skeleton').checked && document.querySelector('#wire').checked")


def test_a_saved_picture_is_transparent_where_the_background_is(opened: Chromium) -> None:
    found = opened.run(
        """(() => {
          const { page, viewer } = vivant, corners = [];
          for (const ground of [5, 4]) {
            page.setGround(ground);
            const made = viewer.picture(200, 200, (...args) => page.paint(...args));
            const flat = made.getContext("2d");
            corners.push([...flat.getImageData(3, 3, 1, 1).data], flat.getImageData(100, 100, 1, 1).data[3]);
          }
          page.setGround(0);
          return corners;
        })()"""
    )
    assert found[0] == [0, 0, 0, 0] and found[2] == [0, 0, 0, 255]
    assert found[1] > 128 and found[3] == 255


def test_controls_have_names_and_come_in_order(opened: Chromium) -> None:
    opened.run("vivant.page.showPanel(true)")
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "checkbox", "radio", "application", "MenuListPopup"}
    named = [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in nodes
        if n.get("role", {}).get("value") in roles
    ]
    assert len(named) > 12
    assert all(name for role, name in named if role != "MenuListPopup")
    opened.run("document.querySelector('#view').focus()")
    order = []
    for _ in range(6):
        opened.press("Tab", "Tab")
        order.append(opened.run("document.activeElement.id"))
    assert order == ["play", "motion", "seek", "speed", "photo", "home"]


def test_nothing_plays_by_itself_for_those_who_want_calm(chromium: Chromium, page: Path) -> None:
    reduce = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    chromium.send("Emulation.setEmulatedMedia", features=reduce)
    try:
        chromium.resize(300, 300)
        chromium.open(page.as_uri())
        assert not chromium.run("vivant.page.playing")
        chromium.run("vivant.page.asInPhoto()")
        assert chromium.run("vivant.page.flight") is None
    finally:
        chromium.send("Emulation.setEmulatedMedia", features=[])


def test_a_lost_context_is_told_and_comes_back(opened: Chromium) -> None:
    opened.run("globalThis.loss = vivant.viewer.gl.getExtension('WEBGL_lose_context'); loss.loseContext()")
    opened.wait("document.querySelector('#message').textContent.includes('graphics driver')")
    opened.run("loss.restoreContext()")
    opened.wait("document.querySelector('#message').textContent === '' && !vivant.viewer.lost")
    opened.run("vivant.page.dirty = true")
    opened.run(NEXT_FRAME)
    middle = "vivant.viewer.picture(100, 100).getContext('2d').getImageData(50, 50, 1, 1).data[3]"
    assert opened.run(middle) > 128


def test_a_browser_without_webgl_tells_what_to_do(chromium: Chromium, page: Path) -> None:
    off = "HTMLCanvasElement.prototype.getContext = () => null"
    script = chromium.send("Page.addScriptToEvaluateOnNewDocument", source=off)["identifier"]
    try:
        chromium.open(page.as_uri(), "document.documentElement.classList.contains('failed')")
    finally:
        chromium.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    told = chromium.run("document.querySelector('[role=alert]').innerText")
    assert "WebGL2" in told and "hardware acceleration" in told
    assert not chromium.run("document.querySelector('#play').checkVisibility()")


def test_a_damaged_page_says_so(chromium: Chromium, page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    content = re.search(r'id="avatar">([^<]+)<', text)
    assert content
    cut = content[1][: len(content[1]) // 8 * 4]
    (tmp_path / "cut.html").write_text(text.replace(content[1], cut))
    chromium.open((tmp_path / "cut.html").as_uri(), "document.documentElement.classList.contains('failed')")
    assert "damaged" in chromium.run("document.querySelector('[role=alert]').innerText")
