"""Picture files: read what cameras and editors write, write PNG, JPEG and WebP. The only importer of PIL."""

import contextlib
import hashlib
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageCms, ImageOps, JpegImagePlugin
from torch import Tensor

from vivant.core.errors import BadInputError, BadPhotoError, MissingExtraError
from vivant.core.store import writing

MAX_FILE_BYTES = 1024**3
"""Larger files are no photos."""

MAX_PIXELS_JPEG = 420_000_000
"""JPEG can be decoded at an eighth of its size, so 20,000 x 20,000 px fit into little memory."""

MAX_PIXELS = 150_000_000
"""Other formats are decoded whole: 3 to 4 bytes a pixel."""

MIN_SIDE = 16
"""Pictures smaller than this show nobody."""

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""What "focal length in 35 mm film" refers to (CIPA DCG-001)."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture file, upright, at most as large as asked for."""

    pixels: UInt8[np.ndarray, "height width 3"]
    """sRGB, 0 to 255."""

    alpha: UInt8[np.ndarray, "height width"] | None
    """Straight; None if the file cuts nothing out."""

    focal_px: float | None
    """In pixels of `pixels`; None if the file does not say."""

    original_size: tuple[int, int]
    """Width and height of the upright picture in the file."""

    digest: str
    """SHA-256 of the file."""


def read_picture(path: Path, max_side: int) -> Picture:
    """Read a picture file: upright, in sRGB, reduced to at most `max_side` pixels on its longer side.

    Raises:
        BadPhotoError: If it is no picture, is damaged, too small, too large, or shows nothing.
        MissingExtraError: If it is a HEIC file and the reader for those is not installed.
    """
    content = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            # Our own limits on size replace PIL's; damaged EXIF is met below.
            warnings.simplefilter("ignore")
            image = _open(path, content)
            _check_size(path, image)
            exif = _exif(image)
            upright = _upright_size(image.size, exif)
            focal_px = _focal_px(exif, image.size)
            image = ImageOps.exif_transpose(_reduced(image, max_side))
            pixels, alpha = _split_alpha(path, _in_srgb(path, image))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise BadPhotoError(
            f"{path} cannot be decoded: {error}. The file seems damaged or cut short; "
            "copy it anew, or open it in an image editor and save it as JPEG or PNG."
        ) from error
    if focal_px is not None:
        focal_px *= max(pixels.shape[:2]) / max(upright)
    return Picture(pixels, alpha, focal_px, upright, hashlib.sha256(content).hexdigest())


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise BadPhotoError(f"{path} is a folder; a photo is needed. Name a file in it.")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadPhotoError(
                f"{path} has {size / 1e9:.1f} GB; at most 1 GB can be a photo. Save it smaller."
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise BadPhotoError(f"{path} does not exist. Check the name and the folder.") from error
    except OSError as error:
        raise BadPhotoError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not content:
        raise BadPhotoError(f"{path} is empty (0 bytes); a photo is needed. Copy it anew.")
    return content


def _open(path: Path, content: bytes) -> Image.Image:
    file = io.BytesIO(content)
    if content.startswith(b"\xff\xd8\xff"):
        # Opened by its own reader because `Image.open` applies PIL's limit before a JPEG can be reduced.
        return JpegImagePlugin.JpegImageFile(file)
    if content[4:8] == b"ftyp" and content[8:12] in (
        b"heic",
        b"heix",
        b"hevc",
        b"heim",
        b"heis",
        b"mif1",
        b"msf1",
    ):
        return _open_heic(path, file)
    try:
        return Image.open(file)
    except Image.DecompressionBombError as error:
        raise BadPhotoError(
            f"{path} has too many pixels ({error}); at most {MAX_PIXELS / 1e6:.0f} million can be opened, "
            f"or {MAX_PIXELS_JPEG / 1e6:.0f} million as JPEG. Save it smaller."
        ) from error
    except Image.UnidentifiedImageError as error:
        start = content[:12]
        kind = "a text file" if _is_text(content[:512]) else f"an unknown file (it starts with {start!r})"
        raise BadPhotoError(
            f"{path} is {kind}, whatever its name says. Use a JPEG, PNG, WebP, TIFF or HEIC picture."
        ) from error


def _open_heic(path: Path, file: io.BytesIO) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a HEIC picture, and the reader for those is not installed. "
            "Run `pip install vivant[heic]`, or save the photo as JPEG."
        ) from error
    heif = pillow_heif.open_heif(file, convert_hdr_to_8bit=True)
    image = heif.to_pillow()
    # libheif has turned the pixels already; what EXIF says about that must not turn them again.
    image.getexif().pop(ExifTags.Base.Orientation, None)
    return image


def _is_text(start: bytes) -> bool:
    try:
        return start.decode("utf-8").isprintable() or b"\n" in start
    except UnicodeDecodeError:
        return False


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    limit = MAX_PIXELS_JPEG if image.format == "JPEG" else MAX_PIXELS
    if width * height > limit:
        raise BadPhotoError(
            f"{path} has {width} x {height} px = {width * height / 1e6:.0f} million; "
            f"at most {limit / 1e6:.0f} million can be opened as {image.format}. Save it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise BadPhotoError(
            f"{path} has {width} x {height} px; at least {MIN_SIDE} on each side are needed to show a person, "
            "and a few hundred to show one well."
        )


def _exif(image: Image.Image) -> dict[int, Any]:
    """Give the EXIF tags we use, those of the camera block included; a damaged block counts as absent."""
    try:
        exif = image.getexif()
        return dict(exif) | dict(exif.get_ifd(ExifTags.IFD.Exif))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError):
        return {}


def _upright_size(size: tuple[int, int], exif: dict[int, Any]) -> tuple[int, int]:
    turned = exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return (size[1], size[0]) if turned else size


def _focal_px(exif: dict[int, Any], size: tuple[int, int]) -> float | None:
    """Focal length in pixels of the stored picture, from whichever tags are there and plausible.

    A picture whose shape differs from the one the camera wrote was cropped, and its scale is unknown.
    """
    written = (_number(exif, ExifTags.Base.ExifImageWidth), _number(exif, ExifTags.Base.ExifImageHeight))
    scale = 1.0
    if written[0] and written[1]:
        cropped = abs(math.log(max(size) * min(written) / (min(size) * max(written)))) > 0.02
        if cropped:
            return None
        scale = max(size) / max(written)
    film_mm = _number(exif, ExifTags.Base.FocalLengthIn35mmFilm)
    lens_mm = _number(exif, ExifTags.Base.FocalLength)
    dots = _number(exif, ExifTags.Base.FocalPlaneXResolution)
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(
        int(exif.get(ExifTags.Base.FocalPlaneResolutionUnit, 2) or 2), 25.4
    )
    if film_mm:
        focal = film_mm / FILM_DIAGONAL_MM * math.hypot(*size)
    elif lens_mm and dots:
        focal = lens_mm * dots / unit_mm * scale
    else:
        return None
    # Between a fisheye and a telescope; anything else is a wrong tag.
    return focal if 0.3 < focal / max(size) < 20 else None


def _number(exif: dict[int, Any], tag: int) -> float:
    """Read a number, 0 if it is absent or nonsense."""
    try:
        value = float(exif.get(tag, 0.0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0


def _reduced(image: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(image.size)
    if scale >= 1:
        image.load()
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        # The decoder leaves out frequencies: a 20,000 px photo never exists whole in memory.
        image.draft(None, size)
    image.load()
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if _has_alpha(image) else "RGB")
    if image.mode.startswith("I;16"):
        image = _eight_bits(image)
    # Orientation and colour profile live in `info` and EXIF, which `resize` drops or keeps by format.
    smaller = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    smaller.info = dict(image.info)
    return smaller


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey pictures to 8 bits; PIL's own conversion clips them instead."""
    values = np.asarray(image).astype(np.float32)
    top = float(values.max(initial=0))
    if image.mode == "F":
        full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0
    else:
        full = 65535.0 if top <= 65535 else 2.0**31
    return Image.fromarray((values / full * 255 + 0.5).clip(0, 255).astype(np.uint8))


def _in_srgb(path: Path, image: Image.Image) -> Image.Image:
    """Convert any mode to RGB or RGBA, through the file's colour profile where it has one."""
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    if image.mode in ("P", "PA", "1", "LA", "La", "RGBa") or (image.mode == "L" and _has_alpha(image)):
        image = image.convert("RGBA" if _has_alpha(image) else "RGB")
    if image.mode == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        color = image.convert("RGB") if image.mode == "RGBA" else image
        # A profile that does not fit its picture is common and harmless: the plain conversion below serves.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(color, source, target, outputMode="RGB")
            if turned is not None:
                if alpha is not None:
                    turned.putalpha(alpha)
                return turned
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")


def _split_alpha(
    path: Path, image: Image.Image
) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"] | None]:
    values = np.array(image)
    if image.mode != "RGBA":
        return values, None
    pixels, alpha = np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3])
    if int(alpha.min()) >= 250:
        return pixels, None
    shown = pixels[alpha > 127]
    if len(shown) == 0:
        raise BadPhotoError(f"{path} is transparent everywhere; a photo of a person is needed.")
    if int(np.ptp(shown.reshape(-1, 3).astype(np.int16), axis=0).max()) < 3:
        raise BadPhotoError(
            f"{path} holds only a transparency mask and one colour, no picture of a person. "
            "Use the photo that the mask was made from."
        )
    return pixels, alpha


def to_float(pixels: UInt8[np.ndarray, "*shape"]) -> Float[Tensor, "*shape"]:
    """Bytes 0 to 255 as floats 0 to 1."""
    return torch.from_numpy(pixels).float().div_(255)


def to_bytes(image: Float[Tensor, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Floats 0 to 1 as bytes, rounded and clipped."""
    return (image.detach().cpu() * 255).round_().clamp_(0, 255).to(torch.uint8).numpy()


def sample_box(
    pixels: UInt8[np.ndarray, "height width *channels"],
    box: tuple[float, float, float, float],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "box_height box_width *channels"]:
    """Cut a box inside the picture and bring it to a size.

    Args:
        pixels: The picture.
        box: Left, top, right, bottom; fractions are allowed.
        size: Width and height of the result.
    """
    image = Image.fromarray(pixels)
    return np.array(image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0))


def resize_plane(
    plane: Float[np.ndarray, "height width"], size: tuple[int, int], *, smooth: bool = True
) -> Float[np.ndarray, "new_height new_width"]:
    """Bring one float channel to a size, without aliases.

    Args:
        plane: The channel.
        size: Width and height of the result.
        smooth: Bicubic, which can overshoot; else linear, which cannot.
    """
    kind = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    return np.array(Image.fromarray(plane.astype(np.float32)).resize(size, kind))


def encode_image(image: Float[Tensor, "height width channels"], kind: str = "png", quality: int = 90) -> bytes:
    """Make the bytes of a picture file of 1, 3 or 4 channels.

    Raises:
        BadInputError: If the kind is not png, jpeg or webp.
    """
    if kind not in ("png", "jpeg", "webp"):
        raise BadInputError(f"Pictures can be encoded as png, jpeg or webp, not as {kind!r}.")
    picture = _to_pil(image)
    if kind == "jpeg" and picture.mode == "RGBA":
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, kind.upper(), quality=quality)
    return file.getvalue()


def write_image(image: Float[Tensor, "height width channels"], path: Path, quality: int = 90) -> None:
    """Write a picture of 1, 3 or 4 channels; the suffix says the kind (png, jpg, webp).

    Raises:
        BadInputError: If the suffix is another one.
        OutputError: If the file cannot be written.
    """
    kind = path.suffix.lower().lstrip(".")
    content = encode_image(image, {"jpg": "jpeg"}.get(kind, kind), quality)
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_animation(
    frames: Sequence[Float[Tensor, "height width channels"]] | Iterator[Float[Tensor, "height width channels"]],
    path: Path,
    fps: float,
    quality: int = 75,
) -> None:
    """Write an endless animation, frame by frame: GIF if the suffix says so, else WebP.

    Raises:
        BadInputError: If there are no frames.
        OutputError: If the file cannot be written.
    """
    pictures = (_to_pil(frame) for frame in frames)
    first = next(pictures, None)
    if first is None:
        raise BadInputError(f"{path} needs at least one frame.")
    with writing(path) as temporary:
        kind = "GIF" if path.suffix.lower() == ".gif" else "WEBP"
        first.save(
            temporary, kind, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0,
            quality=quality, method=2,
        )  # fmt: skip


def _to_pil(image: Float[Tensor, "height width channels"]) -> Image.Image:
    if image.shape[-1] not in (1, 3, 4):
        raise BadInputError(f"A picture has 1, 3 or 4 channels, not {image.shape[-1]}.")
    values = to_bytes(image)
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
