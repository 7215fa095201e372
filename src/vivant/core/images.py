"""Picture files: read what cameras and editors write, write PNG, JPEG and WebP. The only importer of PIL."""

import contextlib
import hashlib
import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin
from torch import Tensor

from vivant.core.errors import BadInputError, BadPhotoError, MissingExtraError
from vivant.core.exif import focal_px_from_exif
from vivant.core.store import writing

MAX_FILE_BYTES = 1024**3
"""Larger files are no photos."""

MAX_PIXELS_JPEG = 420_000_000
"""JPEG can be decoded at an eighth of its size, so 20,000 x 20,000 px fit into little memory."""

MAX_PIXELS = 120_000_000
"""Other formats are decoded whole: 3 to 4 bytes a pixel."""

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""What the first box of a HEIC file names."""

MIN_SIDE = 16
"""Pictures smaller than this show nobody."""

_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What decoders raise on broken files."""


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


def read_picture(path: Path, max_side: int, *, texture: bool = False) -> Picture:
    """Read a picture file: upright, in sRGB, reduced to at most `max_side` pixels on its longer side.

    A texture may be of one colour and be mostly transparent; a photo may not.

    Raises:
        BadPhotoError: If it is no picture, is damaged, too small, too large, or shows nothing.
        MissingExtraError: If it is a HEIC file and the reader for those is not installed.
    """
    content = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            # Our own limits on size replace PIL's, and damaged EXIF counts as absent.
            warnings.simplefilter("ignore")
            image = _open(path, content)
            _check_size(path, image)
            size = image.size
            _load(image, max_side)
            # After loading, for some formats end with their EXIF, and TIFF turns itself while it loads.
            exif = _exif(image)
            turned = exif.get(ExifTags.Base.Orientation, 1)
            image = _upright(_in_srgb(_shrunk(image, max_side)), turned)
    except _DAMAGED as error:
        raise BadPhotoError(
            f"{path} cannot be decoded: {error}. The file seems damaged or cut short; "
            "copy it anew, or open it in an image editor and save it as JPEG or PNG."
        ) from error
    pixels, alpha = _split_alpha(path, image, texture)
    if turned in (5, 6, 7, 8):
        size = (size[1], size[0])
    focal_px = focal_px_from_exif(exif, size)
    if focal_px is not None:
        focal_px *= max(pixels.shape[:2]) / max(size)
    return Picture(pixels, alpha, focal_px, size, hashlib.sha256(content).hexdigest())


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadPhotoError(f"{path} is a folder; a photo is needed. Name a file in it.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadPhotoError(
                f"{path} has {size / 1e9:.1f} GB; at most 1 GB can be a photo. Save it smaller."
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise BadPhotoError(f"{path} does not exist. Check the name and the folder.") from error
    except ValueError as error:
        # No name of a file holds a zero character, and none that a system cannot spell.
        raise BadPhotoError(f"{str(path)!r} cannot be the name of a file: {error}. Check the name.") from error
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
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
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
    # libheif turns the pixels upright itself and corrects EXIF accordingly.
    image = pillow_heif.open_heif(file, convert_hdr_to_8bit=True).to_pillow()
    image.format = "HEIC"
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


def _load(image: Image.Image, max_side: int) -> None:
    """Decode; a large JPEG at a half, a quarter or an eighth, so that it never exists whole in memory."""
    scale = max_side / max(image.size)
    if scale < 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    image.load()


def _shrunk(image: Image.Image, max_side: int) -> Image.Image:
    """Bring palettes and deep greys to plain channels, and the longer side to `max_side` at most."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    elif image.mode in ("P", "PA", "1", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA" if _has_alpha(image) else "RGB")
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey pictures to 8 bits; PIL's own conversion clips them instead."""
    values = np.asarray(image)
    top = float(values.max(initial=0))
    if image.mode == "F":
        full = next((full for full in (1.0, 255.0, 65535.0) if top <= full), top)
        return Image.fromarray((values * (255 / full) + 0.5).clip(0, 255).astype(np.uint8))
    return Image.fromarray((values // (257 if top <= 65535 else 2**23)).clip(0, 255).astype(np.uint8))


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert to RGB or RGBA, through the file's colour profile where it has one that fits."""
    profile = image.info.get("icc_profile")
    alpha = image.getchannel("A") if _has_alpha(image) else None
    plain = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode)) if alpha else image
    color = None
    if profile:
        # A profile that does not fit its picture is common and harmless: the plain conversion below serves.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            color = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    color = color or plain.convert("RGB")
    if alpha is not None:
        color.putalpha(alpha)
    return color


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror as EXIF says."""
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if how is None else image.transpose(how)


def _split_alpha(
    path: Path, image: Image.Image, texture: bool
) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"] | None]:
    values = np.array(image)
    if image.mode != "RGBA":
        return values, None
    pixels, alpha = np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3])
    if int(alpha.min()) >= 250:
        return pixels, None
    if texture:
        return pixels, alpha
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


def resize_pixels(
    pixels: UInt8[np.ndarray, "height width *channels"], size: tuple[int, int]
) -> UInt8[np.ndarray, "new_height new_width *channels"]:
    """Bring a picture to a size (width, height), without aliases."""
    height, width = pixels.shape[:2]
    return sample_box(pixels, (0.0, 0.0, float(width), float(height)), size)


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
    kind = "GIF" if path.suffix.lower() == ".gif" else "WEBP"
    # PIL leaves files that it opens itself open on Ctrl-C.
    with writing(path) as temporary, temporary.open("w+b") as file:
        first.save(
            file, kind, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0,
            quality=quality, method=2,
        )  # fmt: skip


def _to_pil(image: Float[Tensor, "height width channels"]) -> Image.Image:
    if image.shape[-1] not in (1, 3, 4):
        raise BadInputError(f"A picture has 1, 3 or 4 channels, not {image.shape[-1]}.")
    values = to_bytes(image)
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
