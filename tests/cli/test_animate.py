import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests import fakes

from vivant.records import save_avatar

Vivant = Callable[..., tuple[int, str, str]]


@pytest.fixture
def avatar(tmp_path: Path) -> Path:
    save_avatar(fakes.avatar(), tmp_path / "me.avatar")
    return tmp_path / "me.avatar"


def test_animate_makes_a_film(vivant: Vivant, avatar: Path) -> None:
    film = avatar.parent / "walk.mp4"
    code, out, err = vivant("animate", avatar, "--motion", "walk", "-o", film, "--size", 64, 96, "--fps", 2)
    assert code == 0
    assert str(film) in out
    assert film.read_bytes()[4:8] == b"ftyp"


def test_animate_names_the_film_after_avatar_and_motion(vivant: Vivant, avatar: Path) -> None:
    vivant("animate", avatar, "--motion", "idle", "--seconds", "1", "--fps", "2", "--size", "64", "64")
    assert (avatar.parent / "me.idle.mp4").is_file()


def test_animate_makes_a_folder_of_transparent_pictures(vivant: Vivant, avatar: Path) -> None:
    code, out, _ = vivant(
        "animate", avatar, "-o", avatar.parent / "wave.png", "--background", "transparent", "--fps", "1",
        "--size", "48", "64",
    )  # fmt: skip
    assert code == 0
    pictures = sorted((avatar.parent / "wave").iterdir())
    assert len(pictures) == 4
    with Image.open(pictures[0]) as image:
        assert image.size == (48, 64) and image.getpixel((0, 0))[3] == 0
    assert "4 files" in out


def test_animate_blends_joints_as_asked(vivant: Vivant, avatar: Path) -> None:
    films = []
    for skinning in ("linear", "dual_quaternion"):
        path = avatar.parent / f"{skinning}.webp"
        vivant("animate", avatar, "-o", path, "--fps", "1", "--size", "48", "64", "--skinning", skinning)
        films.append(path.read_bytes())
    assert films[0] != films[1]


def test_animate_tells_progress_as_json(vivant: Vivant, avatar: Path) -> None:
    _, out, _ = vivant(
        "animate", avatar, "-o", avatar.parent / "a.webp", "--fps", "1", "--size", "48", "64", "--json"
    )
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["fraction"] for event in events if event["event"] == "Advanced"] == [0.25, 0.5, 0.75, 1.0]
    assert events[-1]["event"] == "Made"


def test_render_makes_a_transparent_picture_named_after_its_side(vivant: Vivant, avatar: Path) -> None:
    code, out, _ = vivant("render", avatar, "--azimuth", "90", "--size", "48", "64")
    assert code == 0
    with Image.open(avatar.parent / "me.90.png") as image:
        assert image.mode == "RGBA" and image.size == (48, 64)
        assert image.getpixel((0, 0))[3] == 0 and image.getpixel((24, 32))[3] > 200


@pytest.mark.parametrize("pose", ["relaxed", "photo", "rest"])
def test_render_knows_three_poses(pose: str, vivant: Vivant, avatar: Path) -> None:
    code, _, _ = vivant("render", avatar, "--pose", pose, "-o", avatar.parent / "a.png", "--size", "96", "96")
    assert code == 0
    with Image.open(avatar.parent / "a.png") as image:
        left, _, right, _ = image.getchannel("A").getbbox()
    # Arms hang in the relaxed pose; the other two are the A-pose here.
    assert (right - left < 45) is (pose == "relaxed")


def test_render_jpg_has_a_white_background(vivant: Vivant, avatar: Path) -> None:
    vivant("render", avatar, "-o", avatar.parent / "a.jpg", "--size", "48", "64")
    with Image.open(avatar.parent / "a.jpg") as image:
        assert min(image.getpixel((0, 0))) > 250


def test_export_writes_splats(vivant: Vivant, avatar: Path) -> None:
    code, out, _ = vivant("export", avatar, avatar.parent / "me.ply")
    assert code == 0
    assert (avatar.parent / "me.ply").read_bytes().startswith(b"ply")
    assert "me.ply" in out


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("animate", "ghost.avatar"), 2, "does not exist"),
        (("animate", "{avatar}", "-o", "a.avi"), 2, ".avi"),
        (("animate", "{avatar}", "--motion", "fly"), 2, "fly"),
        (("animate", "{avatar}", "--size", "3", "3"), 2, "16 to 8192"),
        (("animate", "{avatar}", "--seconds", "0"), 2, "--seconds 0"),
        (("animate", "{avatar}", "--seconds", "nan"), 2, "--seconds nan"),
        (("animate", "{avatar}", "--seconds", "0.001"), 2, "frames"),
        (("animate", "{avatar}", "--fps", "nan"), 2, "--fps nan"),
        (("animate", "{avatar}", "--from", "film.mp4", "--focal-px", "-1"), 2, "--focal-px -1"),
        (("render", "{avatar}", "--azimuth", "nan"), 2, "azimuth"),
        (("export", "{avatar}", "a.mp4", "--seconds", "nan"), 2, "frames"),
        (("export", "{avatar}", "a.ply", "--frame", "3"), 2, "--motion"),
        (("export", "{avatar}", "a.glb", "--quality", "1000"), 2, "quality of 1000"),
        (("render", "{avatar}", "-o", "a.bmp"), 2, ".bmp"),
        (("render", "{avatar}", "--elevation", "90"), 2, "elevation"),
        (("export", "{avatar}", "a.obj"), 2, ".obj"),
        (("render", "{broken}", "-o", "a.png"), 2, "damaged"),
        (("animate", "{photo}", "-o", "a.mp4"), 2, "Make an avatar of it first: `vivant create "),
        (("render", "{avatar}", "-o", "{avatar}/a.png"), 5, "is a file, not a folder"),
        (("export", "{avatar}", "{avatar}/a.ply"), 5, "Name another folder."),
        (("export", "{avatar}", "a.usdz", "--motion", "wave", "walk"), 2, "one clip; 2 are given"),
        (("export", "{folder}", "a.ply"), 2, "is a folder, a file is needed"),
        (("view", "{folder}"), 2, "is a folder, a file is needed"),
        (("animate", "{avatar}", "--from", "{folder}"), 2, "is a folder, a file is needed"),
        (("animate", "{avatar}", "--motion", "folder.bvh"), 2, "is a folder, a file is needed"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: tuple[str, ...], code: int, said: str, vivant: Vivant, avatar: Path, photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(avatar.parent)
    (avatar.parent / "broken.avatar").write_bytes(avatar.read_bytes()[:5000])
    for name in ("folder.avatar", "folder.bvh"):
        (avatar.parent / name).mkdir()
    before = sorted(path.name for path in avatar.parent.iterdir())
    names = {name: avatar.parent / f"{name}.avatar" for name in ("broken", "folder")}
    got, _, err = vivant(*[a.format(avatar=avatar, photo=photo, **names) for a in arguments])
    # A terminal of any width may break the line.
    assert (got, said in " ".join(err.split())) == (code, True), err
    if arguments[0] == "export":
        # Its file has no flag before it.
        assert "--out" not in err
    assert "Traceback" not in err and "bug" not in err
    assert sorted(path.name for path in avatar.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "extra", "begins"),
    [
        ("turn.mp4", ("--turntable", "--seconds", "0.5"), b"\0\0\0"),
        ("wave.webp", ("--motion", "wave", "--seconds", "1", "--background", "transparent"), b"RIFF"),
        ("me.glb", ("--motion", "wave", "idle", "--texture-size", "16"), b"glTF"),
        ("me.splats.glb", ("--motion", "wave"), b"glTF"),
        ("me.ply", ("--motion", "wave", "--frame", "3", "--pad-sh3"), b"ply"),
        ("me.spz", ("--raw",), b"\x1f\x8b"),
        ("page.html", ("--motion", "wave", "--splats", "500"), b"<!"),
    ],
)
def test_export_writes_what_the_suffix_says(
    name: str,
    extra: tuple[str, ...],
    begins: bytes,
    vivant: Vivant,
    avatar: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vivant.export import texture

    monkeypatch.setattr(texture, "AROUND", ((0.0, 2),))
    monkeypatch.setattr(texture, "PICTURE", 64)
    out = avatar.parent / name
    code, said, err = vivant("export", avatar, out, *extra, "--fps", "4", "--size", "48", "64")
    assert (code, name in said) == (0, True), err
    assert out.read_bytes().startswith(begins)


def test_export_lists_the_formats_when_it_knows_none(vivant: Vivant, avatar: Path) -> None:
    code, _, err = vivant("export", avatar, "me.fbx")
    assert code == 2
    for suffix in (".ply", ".glb", ".vrm", ".usdz", ".spz", ".splat", ".html", ".mp4"):
        assert suffix in err
