"""Every kind of picture file is read right, or refused in our own words."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from vivant.core.errors import BadInputError, BadPhotoError, MissingExtraError
from vivant.core.images import (
    MAX_PIXELS,
    encode_image,
    read_picture,
    resize_plane,
    sample_box,
    to_bytes,
    to_float,
    write_animation,
    write_image,
)

SIDE = 4096


def four_colors(width: int = 64, height: int = 96) -> Image.Image:
    """Red, green, blue, white quarters: no turn or mirroring leaves them in place."""
    values = np.zeros((height, width, 3), np.uint8)
    values[: height // 2, : width // 2] = (220, 30, 30)
    values[: height // 2, width // 2 :] = (30, 220, 30)
    values[height // 2 :, : width // 2] = (30, 30, 220)
    values[height // 2 :, width // 2 :] = (230, 230, 230)
    return Image.fromarray(values)


def corners(pixels: np.ndarray) -> list[str]:
    """Name the colours of the four corners, row by row."""
    names = {(220, 30, 30): "red", (30, 220, 30): "green", (30, 30, 220): "blue", (230, 230, 230): "white"}
    quarter = [pixels[8, 8], pixels[8, -9], pixels[-9, 8], pixels[-9, -9]]
    keys = np.array(list(names))
    return [list(names.values())[np.abs(keys - q.astype(int)).sum(1).argmin()] for q in quarter]


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_every_orientation_is_turned_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = four_colors()
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(stored, tmp_path / f"photo.{suffix}", exif=exif)
    picture = read_picture(path, SIDE)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]
    assert picture.pixels.shape == (96, 64, 3)
    assert picture.original_size == (64, 96)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_a_turned_photo_stays_upright_when_reduced(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = four_colors(640, 960).transpose(Image.Transpose.ROTATE_90)
    picture = read_picture(save(stored, tmp_path / f"photo.{suffix}", exif=exif), 96)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]
    assert picture.pixels.shape == (96, 64, 3)
    assert picture.original_size == (640, 960)


def exif_with(camera: dict[int, object]) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in camera.items():
        exif.get_ifd(ExifTags.IFD.Exif)[tag] = value
    return exif


def test_the_focal_length_comes_from_the_35_mm_tag(tmp_path: Path) -> None:
    exif = exif_with({ExifTags.Base.FocalLengthIn35mmFilm: 26})
    path = save(four_colors(640, 480), tmp_path / "photo.jpg", exif=exif)
    # 26 mm of the film's diagonal of 43.27 mm, as a part of 800 px.
    assert read_picture(path, SIDE).focal_px == pytest.approx(26 / 43.2666 * 800, rel=1e-4)
    assert read_picture(path, 320).focal_px == pytest.approx(26 / 43.2666 * 400, rel=1e-4)


def test_the_focal_length_comes_from_the_sensors_resolution(tmp_path: Path) -> None:
    camera = {
        ExifTags.Base.FocalLength: 50.0,
        ExifTags.Base.FocalPlaneXResolution: 160.0,
        ExifTags.Base.FocalPlaneResolutionUnit: 4,
        ExifTags.Base.ExifImageWidth: 1280,
        ExifTags.Base.ExifImageHeight: 960,
    }
    # 50 mm at 160 px a millimetre, in a picture of half the size the camera wrote.
    path = save(four_colors(640, 480), tmp_path / "photo.jpg", exif=exif_with(camera))
    assert read_picture(path, SIDE).focal_px == pytest.approx(4000)


@pytest.mark.parametrize(
    "camera",
    [
        {},
        {ExifTags.Base.FocalLengthIn35mmFilm: 0},
        {ExifTags.Base.FocalLengthIn35mmFilm: 60000},
        {ExifTags.Base.FocalLength: 35.0},
        {
            ExifTags.Base.FocalLengthIn35mmFilm: 26,
            ExifTags.Base.ExifImageWidth: 4000,
            ExifTags.Base.ExifImageHeight: 2000,
        },
    ],
    ids=["absent", "zero", "absurd", "no sensor", "cropped"],
)
def test_a_focal_length_that_is_not_known_is_none(tmp_path: Path, camera: dict[int, object]) -> None:
    path = save(four_colors(640, 480), tmp_path / "photo.jpg", exif=exif_with(camera))
    assert read_picture(path, SIDE).focal_px is None


def test_a_damaged_exif_block_counts_as_absent(tmp_path: Path) -> None:
    path = save(four_colors(), tmp_path / "photo.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7fgarbage")
    picture = read_picture(path, SIDE)
    assert picture.focal_px is None
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]


def test_straight_alpha_is_kept(tmp_path: Path) -> None:
    image = four_colors()
    alpha = np.zeros((96, 64), np.uint8)
    alpha[20:80, 10:50] = 255
    alpha[50, 30] = 128
    image.putalpha(Image.fromarray(alpha))
    picture = read_picture(save(image, tmp_path / "cut.png"), SIDE)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha)
    np.testing.assert_array_equal(picture.pixels, np.asarray(image)[..., :3])


def test_an_opaque_alpha_channel_cuts_nothing_out(tmp_path: Path) -> None:
    image = four_colors()
    image.putalpha(255)
    assert read_picture(save(image, tmp_path / "cut.png"), SIDE).alpha is None


def test_hidden_colors_do_not_bleed_when_a_cut_out_is_reduced(tmp_path: Path) -> None:
    values = np.zeros((512, 512, 4), np.uint8)
    values[..., 0] = 255
    values[:, :256] = (0, 200, 0, 255)
    values[::2, :256, 1] = 190
    picture = read_picture(save(Image.fromarray(values), tmp_path / "cut.png"), 100)
    assert picture.alpha is not None
    shown = picture.pixels[picture.alpha > 100]
    assert shown[:, 0].max() < 8


def test_grey_with_alpha_is_read(tmp_path: Path) -> None:
    values = np.zeros((40, 40, 2), np.uint8)
    values[..., 0] = np.arange(40) * 6
    values[10:30, :, 1] = 255
    picture = read_picture(save(Image.fromarray(values), tmp_path / "grey.png"), SIDE)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.pixels, values[..., :1].repeat(3, -1))
    np.testing.assert_array_equal(picture.alpha, values[..., 1])


def test_a_palette_with_a_transparent_color_is_read(tmp_path: Path) -> None:
    image = four_colors().quantize(4)
    transparent = image.getpixel((2, 2))
    picture = read_picture(save(image, tmp_path / "p.png", transparency=transparent), SIDE)
    assert picture.alpha is not None
    assert picture.alpha[8, 8] == 0 and picture.alpha[-9, -9] == 255
    assert corners(picture.pixels)[1:] == ["green", "blue", "white"]


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr"])
@pytest.mark.parametrize("max_side", [SIDE, 48])
def test_other_color_models_become_srgb(tmp_path: Path, mode: str, max_side: int) -> None:
    image = four_colors().quantize(16) if mode == "P" else four_colors().convert(mode)
    suffix = "png" if mode == "P" else "tif" if mode == "CMYK" else "jpg"
    picture = read_picture(save(image, tmp_path / f"photo.{suffix}"), max_side)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]
    assert picture.alpha is None


def test_a_cmyk_jpeg_becomes_srgb(tmp_path: Path) -> None:
    path = save(four_colors().convert("CMYK"), tmp_path / "photo.jpg", quality=95)
    assert corners(read_picture(path, SIDE).pixels) == ["red", "green", "blue", "white"]


def test_a_color_profile_is_applied(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = read_picture(save(four_colors(), tmp_path / "same.png", icc_profile=lab), SIDE)
    assert np.abs(same.pixels.astype(int) - np.asarray(four_colors())).max() <= 2
    broken = read_picture(save(four_colors(), tmp_path / "broken.png", icc_profile=b"no profile"), SIDE)
    np.testing.assert_array_equal(broken.pixels, np.asarray(four_colors()))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    picture = read_picture(save(Image.fromarray(deep), tmp_path / f"deep.{suffix}"), SIDE)
    assert np.abs(picture.pixels[..., 0] / 255 - deep / 65535).max() < 1 / 250
    reduced = read_picture(tmp_path / f"deep.{suffix}", 32)
    assert np.abs(reduced.pixels[..., 0].mean() / 255 - 0.5) < 0.01


def test_sixteen_bits_of_color_are_scaled(tmp_path: Path) -> None:
    values = np.zeros((20, 30, 3), np.uint16)
    values[..., 0], values[..., 1], values[..., 2] = 65535, 32768, 257
    raw = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    path = tmp_path / "deep.png"
    path.write_bytes(png(30, 20, 16, 2, raw))
    assert read_picture(path, SIDE).pixels[0, 0].tolist() == [255, 128, 1]


def test_floats_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40)
    picture = read_picture(save(Image.fromarray(ramp), tmp_path / "ramp.tif"), SIDE)
    assert np.abs(picture.pixels[..., 0] / 255 - ramp).max() < 1 / 250


def png(width: int, height: int, depth: int, kind: int, raw: bytes) -> bytes:
    """Write a PNG by hand."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def test_a_picture_of_one_color_under_a_mask_is_refused(tmp_path: Path) -> None:
    values = np.zeros((64, 64, 4), np.uint8)
    values[20:40, 20:40, 3] = 255
    with pytest.raises(BadPhotoError, match="only a transparency mask"):
        read_picture(save(Image.fromarray(values), tmp_path / "mask.png"), SIDE)


def test_a_picture_that_is_transparent_everywhere_is_refused(tmp_path: Path) -> None:
    image = four_colors()
    image.putalpha(0)
    with pytest.raises(BadPhotoError, match="transparent everywhere"):
        read_picture(save(image, tmp_path / "nothing.png"), SIDE)


def test_a_text_file_named_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_text("Dear Sir,\nplease find my photo attached.\n")
    with pytest.raises(BadPhotoError, match="is a text file"):
        read_picture(path, SIDE)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(BadPhotoError, match="unknown file"):
        read_picture(path, SIDE)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(BadPhotoError, match="0 bytes"):
        read_picture(tmp_path / "photo.jpg", SIDE)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    path = save(Image.fromarray(noise), tmp_path / f"photo.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BadPhotoError, match="damaged|unknown file"):
        read_picture(path, SIDE)


def test_one_pixel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPhotoError, match="1 x 1 px"):
        read_picture(save(four_colors().resize((1, 1)), tmp_path / "dot.png"), SIDE)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPhotoError, match="is a folder"):
        read_picture(tmp_path, SIDE)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPhotoError, match="does not exist"):
        read_picture(tmp_path / "nobody.jpg", SIDE)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(BadPhotoError, match="cannot be the name of a file"):
        read_picture(Path("a\0b"), SIDE)


def test_a_jpeg_of_20000_px_is_reduced_while_it_is_read(tmp_path: Path) -> None:
    stored = four_colors(20000, 1200)
    path = save(stored, tmp_path / "long.jpg", quality=60)
    picture = read_picture(path, 2000)
    assert picture.pixels.shape == (120, 2000, 3)
    assert picture.original_size == (20000, 1200)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]


def test_a_jpeg_beyond_pils_own_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(four_colors(640, 480), tmp_path / "large.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read_picture(path, SIDE).pixels.shape == (480, 640, 3)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    for width, height in ((20000, 20000), (12000, 11000)):
        assert width * height > MAX_PIXELS
        path.write_bytes(png(width, height, 8, 2, b"\x00"))
        with pytest.raises(BadPhotoError, match="million"):
            read_picture(path, SIDE)


def test_heic_without_its_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(MissingExtraError, match=r"pip install vivant\[heic\]"):
        read_picture(path, SIDE)


def test_heic_is_read_upright_with_its_focal_length(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    exif = exif_with({ExifTags.Base.FocalLengthIn35mmFilm: 26})
    exif[ExifTags.Base.Orientation] = 6
    stored = four_colors(640, 960).transpose(Image.Transpose.ROTATE_90)
    path = tmp_path / "photo.heic"
    pillow_heif.from_pillow(stored).save(path, exif=exif.tobytes(), quality=90)
    picture = read_picture(path, SIDE)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]
    assert picture.original_size == (640, 960)
    assert picture.focal_px == pytest.approx(26 / 43.2666 * np.hypot(640, 960), rel=1e-4)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(BadPhotoError, match="damaged"):
        read_picture(path, SIDE)


def test_the_digest_names_the_file(tmp_path: Path) -> None:
    one = read_picture(save(four_colors(), tmp_path / "a.png"), SIDE)
    same = read_picture(save(four_colors(), tmp_path / "b.png"), SIDE)
    other = read_picture(save(four_colors(66), tmp_path / "c.png"), SIDE)
    assert one.digest == same.digest != other.digest


def test_bytes_and_floats_round_trip() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(to_bytes(to_float(values)), values)
    assert to_bytes(torch.tensor([-0.5, 0.5, 7.0])).tolist() == [0, 128, 255]


def test_a_box_is_cut_at_its_place() -> None:
    image = np.asarray(four_colors())
    cut = sample_box(image, (0.0, 0.0, 32.0, 48.0), (32, 48))
    np.testing.assert_array_equal(cut, image[:48, :32])


def test_a_plane_keeps_its_mean_when_resized() -> None:
    plane = np.random.default_rng(0).random((64, 48)).astype(np.float32)
    small = resize_plane(plane, (12, 16), smooth=False)
    assert small.shape == (16, 12)
    assert small.mean() == pytest.approx(plane.mean(), abs=5e-3)


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_written_and_read_again(tmp_path: Path, suffix: str, channels: int) -> None:
    image = torch.linspace(0.2, 0.9, 32 * 24)[:, None].reshape(32, 24, 1).repeat(1, 1, channels)
    if channels == 4:
        image[..., 3] = 1
    path = tmp_path / f"picture.{suffix}"
    write_image(image, path, quality=95)
    back = to_float(read_picture(path, SIDE).pixels)
    assert back.shape == (32, 24, 3)
    assert (back - image[..., :1]).abs().max() < (0.003 if suffix == "png" else 0.03)


def test_an_unknown_kind_of_picture_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="png, jpeg or webp"):
        write_image(torch.zeros(8, 8, 3), tmp_path / "picture.exr")
    with pytest.raises(BadInputError, match="1, 3 or 4 channels"):
        encode_image(torch.zeros(8, 8, 2))
    assert list(tmp_path.iterdir()) == []


def test_an_animation_has_every_frame(tmp_path: Path) -> None:
    path = tmp_path / "turn.webp"
    write_animation((torch.full((16, 16, 3), value) for value in (0.0, 0.5, 1.0)), path, fps=10.0)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.n_frames == 3
        assert image.info["loop"] == 0
    with pytest.raises(BadInputError, match="at least one frame"):
        write_animation([], path, fps=10.0)
