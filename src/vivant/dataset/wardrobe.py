"""`Wardrobe`: anny bodies dressed from MakeHuman's clothes, each from one seed, with the body known exactly."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from vivant.body import load_anny, rest_pose
from vivant.core.errors import BadFileError
from vivant.core.images import read_picture
from vivant.dataset.clothes import BaseBody, Garment, base_body, lay, read_garments, tucked
from vivant.dataset.figure import Figure, weld_verts
from vivant.dataset.prints import printed, tinted
from vivant.mesh import Texture, TexturedMesh
from vivant.records import Rig, Shape

LICENCE = "MakeHuman assets, CC0-1.0 (makehumancommunity.org)"

MAX_TEXTURE = 1024
"""Pixels a side: larger pictures are reduced."""

PATTERNED = 0.25
"""Share of garments that get a print of their own; the others keep their cloth, tinted or not."""

LOGOS = ("male_casualsuit02", "male_casualsuit04", "male_casualsuit06", "female_casualsuit01")
"""Their pictures carry MakeHuman's mark: they are always painted anew."""

SUIT, SHOES = 1, 2
"""Which pieces they are; 0 is the body. Socks come with the shoes."""


@dataclass(frozen=True)
class Wardrobe:
    """All pieces of a folder with `geo.zip` and the pictures beside it."""

    folder: Path

    def figure(self, seed: int) -> Figure:
        """Dress somebody.

        Raises:
            BadFileError: If pieces are missing or damaged.
        """
        random = np.random.default_rng([seed, 0x3A])
        female = bool(random.random() < 0.5)
        shape = random_shape(random, female)
        body = base_body(shape)
        pieces = self._chosen(random, female)
        skin, tone = self._skin(random, female, float(shape.coefficients[1]))
        hidden = np.zeros(len(body.body_vert), bool)
        for garment, _, _ in pieces:
            hidden[garment.hides] = True
        return _assembled(f"wardrobe_{seed}", shape, body, hidden, skin, pieces, tone)

    def _chosen(self, random: np.random.Generator, female: bool) -> list[tuple[Garment, Texture, bool]]:
        """Give each piece with its picture and whether it is see-through."""
        clothes, hair = _garments(self.folder, "clothes"), _garments(self.folder, "hair")
        suits = sorted(
            n for n in clothes if n.startswith("female_" if female else "male_") and self._has(clothes[n])
        )
        shoes = sorted(n for n in clothes if n.startswith("shoes") and self._has(clothes[n]))
        styles = ("bob01", "bob02", "braid01", "long01", "ponytail01", "short03", "short02")
        styles = styles if female else ("short01", "short02", "short03", "short04")
        heads = sorted(n for n in hair if n in styles and self._has(hair[n]))
        brows, lashes = _garments(self.folder, "eyebrows"), _garments(self.folder, "eyelashes")
        suit = clothes[str(random.choice(suits))]
        pieces = [(suit, self._cloth(random, suit), False)]
        shoe = clothes[str(random.choice(shoes))]
        pieces.append((shoe, self._cloth(random, shoe, prints=False), False))
        shade = _hair_shade(random)
        if heads and random.random() < (0.98 if female else 0.88):
            piece = hair[str(random.choice(heads))]
            pieces.append((piece, self._see_through(piece, shade), True))
        for kind in (brows, lashes):
            named = sorted(n for n in kind if self._has(kind[n]))
            if named:
                piece = kind[str(random.choice(named))]
                pieces.append((piece, self._see_through(piece, shade * 0.8), True))
        eyes = _garments(self.folder, "eyes").get("low-poly")
        colors = sorted(self.folder.glob("*_eye.webp"))
        if eyes is not None and colors:
            color = colors[int(random.integers(len(colors)))]
            pieces.append((eyes, Texture.build(read_picture(color, 256, texture=True).pixels), False))
        return pieces

    def _has(self, garment: Garment) -> bool:
        return (self.folder / f"{garment.picture}.webp").is_file() or self._shading(garment) is not None

    def _shading(self, garment: Garment) -> Path | None:
        path = self.folder / f"{garment.picture.removesuffix('_diffuse')}_ao.webp"
        return path if path.is_file() else None

    def _cloth(self, random: np.random.Generator, garment: Garment, *, prints: bool = True) -> Texture:
        """The piece's own cloth, perhaps tinted, or a print, darkened in its folds."""
        path = self.folder / f"{garment.picture}.webp"
        shading = self._shading(garment)
        plain = prints and (garment.name in LOGOS or not path.is_file() or random.random() < PATTERNED)
        if plain:
            pixels = printed(random, MAX_TEXTURE)
        else:
            pixels = tinted(read_picture(path, MAX_TEXTURE, texture=True).pixels, random)
        if shading is not None:
            dark = read_picture(shading, MAX_TEXTURE, texture=True).pixels[..., :1] / 255.0
            zoom = (pixels.shape[0] / dark.shape[0], pixels.shape[1] / dark.shape[1], 1)
            dark = ndimage.zoom(dark, zoom, order=1)
            pixels = (pixels * (0.35 + 0.65 * dark)).round().clip(0, 255).astype(np.uint8)
        return Texture.build(pixels)

    def _see_through(self, garment: Garment, shade: np.ndarray) -> Texture:
        picture = read_picture(self.folder / f"{garment.picture}.webp", 768, texture=True)
        pixels = picture.pixels / 255.0
        grey = pixels.mean(-1, keepdims=True)
        # Strands stay lighter and darker; the whole takes the chosen shade.
        inside = picture.alpha is None or picture.alpha > 64
        middle = float(grey[..., 0][inside].mean()) if picture.alpha is not None else float(grey.mean())
        colored = (grey / max(middle, 0.05)) ** 0.8 * shade
        return Texture.build((colored * 255).round().clip(0, 255).astype(np.uint8), picture.alpha)

    def _skin(self, random: np.random.Generator, female: bool, age: float) -> tuple[Texture, np.ndarray]:
        gender = "female" if female else "male"
        stage = "old" if age > 0.88 else "middleage" if age > 0.76 else "young"
        found = sorted(self.folder.glob(f"{stage}_*_{gender}_diffuse*.webp"))
        found = found or sorted(self.folder.glob(f"*_{gender}_diffuse*.webp"))
        if not found:
            raise BadFileError(
                f"{self.folder} holds no skins (*_{gender}_diffuse.webp). Give MakeHuman's folder."
            )
        picture = read_picture(found[int(random.integers(len(found)))], MAX_TEXTURE, texture=True)
        factor = np.clip(random.normal([1, 1, 1], [0.03, 0.02, 0.02]) * random.uniform(0.82, 1.08), 0.5, 1.15)
        pixels = (picture.pixels * factor).round().clip(0, 255).astype(np.uint8)
        return Texture.build(pixels), factor


@lru_cache(maxsize=16)
def _garments(folder: Path, kind: str) -> dict[str, Garment]:
    return read_garments(folder / "geo.zip", kind)


def random_shape(random: np.random.Generator, female: bool) -> Shape:
    """Adults of all ages, weights and heights; some smile or look surprised."""
    model = load_anny()
    values = {
        "gender": float(np.clip((1.0 if female else 0.0) + random.normal(0, 0.08), 0, 1)),
        "age": float(random.uniform(0.6, 0.98)),
        "muscle": float(np.clip(random.normal(0.5, 0.15), 0.1, 0.95)),
        "weight": float(np.clip(random.normal(0.5, 0.2), 0.12, 0.97)),
        "height": float(np.clip(random.normal(0.42, 0.12), 0.15, 0.8)),
        "proportions": float(np.clip(random.normal(0.5, 0.15), 0.1, 0.9)),
    }
    shape = model.default_shape(**values)
    return Shape("anny", shape.coefficients, random_expression(random))


def random_expression(random: np.random.Generator) -> torch.Tensor:
    """Facial actions, the two sides nearly alike; half of the people look neutral."""
    names = load_anny().action_names
    amounts = {}
    if random.random() < 0.5:
        kinds = (
            {"mouthSmile": 0.6, "cheekSquint": 0.4, "eyeSquint": 0.2},
            {"browInnerUp": 0.5, "browOuterUp": 0.4, "eyeWide": 0.4, "jawOpen": 0.15},
            {"browDown": 0.6, "mouthFrown": 0.3},
            {"mouthPress": 0.4, "mouthShrugLower": 0.3},
        )
        amounts = {k: v * random.uniform(0.4, 1.2) for k, v in kinds[int(random.integers(len(kinds)))].items()}
    amounts["eyeBlink"] = random.uniform(0, 0.2)
    actions = torch.zeros(len(names))
    for index, name in enumerate(names):
        base = name.removesuffix("Left").removesuffix("Right")
        actions[index] = float(np.clip(amounts.get(base, 0.0) * random.uniform(0.85, 1.15), 0, 1))
    return actions


def _hair_shade(random: np.random.Generator) -> np.ndarray:
    """Hair in sRGB: black, browns, blond, red, grey."""
    shades = np.array(
        [[0.06, 0.05, 0.05], [0.16, 0.10, 0.07], [0.30, 0.19, 0.11], [0.62, 0.47, 0.28], [0.45, 0.20, 0.10],
         [0.55, 0.54, 0.53]]
    )  # fmt: skip
    shade = shades[int(random.choice(len(shades), p=[0.28, 0.28, 0.18, 0.1, 0.06, 0.1]))]
    return np.clip(shade * random.uniform(0.8, 1.25), 0, 1)


def _assembled(
    name: str, shape: Shape, body: BaseBody, hidden: np.ndarray, skin: Texture,
    pieces: list[tuple[Garment, Texture, bool]], tone: np.ndarray,
) -> Figure:  # fmt: skip
    """Put body and pieces into one mesh; what clothes cover is left out."""
    model, rig = load_anny(), body.rig
    covered = np.zeros(len(rig.verts), bool)
    covered[body.body_vert[hidden & (body.body_vert >= 0)]] = True
    keep = (model.face_region == 0) & ~torch.from_numpy(covered)[rig.faces].all(1)
    verts, joints, weights = [rig.verts], [rig.skin_joints], [rig.skin_weights]
    faces, uv, uv_faces = [rig.faces[keep]], [rig.uv], [rig.uv_faces[keep]]
    number, blended = (
        [torch.zeros(int(keep.sum()), dtype=torch.long)],
        [torch.zeros(int(keep.sum()), dtype=torch.bool)],
    )
    num_verts, num_uv = len(rig.verts), len(rig.uv)
    for index, (garment, _, through) in enumerate(pieces, 1):
        places, piece_joints, piece_weights = lay(garment, body)
        shown = np.ones(len(garment.faces), bool)
        if index == SHOES:
            shown = ~tucked(garment.faces, places, verts[SUIT])
        verts.append(places)
        joints.append(piece_joints[:, : rig.skin_joints.shape[1]])
        weights.append(piece_weights[:, : rig.skin_joints.shape[1]])
        faces.append(torch.from_numpy(garment.faces[shown]) + num_verts)
        uv.append(torch.from_numpy(garment.uv).float())
        uv_faces.append(torch.from_numpy(garment.uv_faces[shown]) + num_uv)
        number.append(torch.full((int(shown.sum()),), index))
        blended.append(torch.full((int(shown.sum()),), through))
        num_verts, num_uv = num_verts + len(places), num_uv + len(garment.uv)
    dressed = Rig(
        verts=torch.cat(verts),
        faces=torch.cat(faces),
        joint_names=rig.joint_names,
        joint_parents=rig.joint_parents,
        world_from_joint=rig.world_from_joint,
        skin_joints=torch.cat(joints),
        skin_weights=torch.cat(weights),
        uv=torch.cat(uv),
        uv_faces=torch.cat(uv_faces),
    )
    mesh = TexturedMesh(
        faces=dressed.faces,
        uv=dressed.uv,
        uv_faces=dressed.uv_faces,
        face_texture=torch.cat(number),
        textures=(skin, *(texture for _, texture, _ in pieces)),
        face_blended=torch.cat(blended),
        weld=weld_verts(dressed.verts),
    )
    return Figure(
        name=name,
        identity=name,
        rig=dressed,
        mesh=mesh,
        body=rig,
        shape=shape,
        start=rest_pose(len(rig.joint_names)),
        exact=True,
        fit_error_mm=0.0,
        licence=LICENCE,
        parts=tuple(garment.name for garment, _, _ in pieces),
    )
