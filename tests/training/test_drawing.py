import numpy as np
import pytest
import torch
from tests.networks.figures import rig

from vivant.core.cameras import Cameras, orbit
from vivant.mesh import (
    Texture,
    TexturedMesh,
    draw_textured,
    random_lighting,
    rasterize_mesh,
    vertex_normals,
)
from vivant.records import Splats
from vivant.splat import rasterize, sh_from_colors
from vivant.training.drawing import draw_faces, lit_colors, smooth_normals, spread
from vivant.training.splatting import draw_splats


def cameras(size: int, *azimuths: float) -> Cameras:
    return orbit(torch.tensor([0.0, 0.85, 0.0]), list(azimuths), extent=1.9, width=size, height=size)


def test_faces_are_those_of_the_mesh_rasteriser() -> None:
    seen = cameras(96, 20.0, 200.0)
    verts = rig().verts
    face, barycentric, depth = draw_faces(
        verts.expand(2, -1, -1), rig().faces, seen.cam_from_world, seen.intrinsics, 96
    )
    truth = rasterize_mesh(verts, rig().faces, seen)
    # Where two triangles meet, or lie within a thousandth of a millimetre, rounding decides.
    assert float((face != truth.face).float().mean()) < 2e-3
    assert float(((face >= 0) != (truth.face >= 0)).float().mean()) < 5e-4
    same = (face == truth.face) & (face >= 0)
    torch.testing.assert_close(depth[same], truth.depth[same], atol=1e-4, rtol=0)
    torch.testing.assert_close(barycentric[same], truth.barycentric[same], atol=2e-2, rtol=0)
    places = spread(face, barycentric, rig().faces, verts.expand(2, -1, -1)).permute(0, 2, 3, 1)
    local = places @ seen.cam_from_world[:, None, :3, :3].mT + seen.cam_from_world[:, None, None, :3, 3]
    torch.testing.assert_close(local[..., 2][face >= 0], depth[face >= 0], atol=1e-4, rtol=0)


def test_large_triangles_are_drawn_whole() -> None:
    seen = cameras(64, 0.0)
    verts = torch.tensor([[-0.8, 0.2, 0.0], [0.8, 0.2, 0.0], [0.0, 1.6, 0.0]])
    face, _, _ = draw_faces(verts[None], torch.tensor([[0, 1, 2]]), seen.cam_from_world, seen.intrinsics, 64)
    truth = rasterize_mesh(verts, torch.tensor([[0, 1, 2]]), seen)
    assert torch.equal(face, truth.face.long())
    assert int((face == 0).sum()) > 500


def test_normals_are_those_of_the_mesh_room() -> None:
    made = smooth_normals(rig().verts[None], rig().faces)[0]
    torch.testing.assert_close(made, vertex_normals(rig().verts, rig().faces), atol=1e-5, rtol=0)


def cloud(count: int = 300) -> Splats:
    g = torch.Generator().manual_seed(0)
    means = torch.rand(count, 3, generator=g) * torch.tensor([0.8, 1.4, 0.4]) + torch.tensor([-0.4, 0.2, -0.2])
    quats = torch.nn.functional.normalize(torch.randn(count, 4, generator=g), dim=-1)
    scales = (0.02 + 0.04 * torch.rand(count, 3, generator=g)).log()
    logits = torch.randn(count, generator=g)
    return Splats(means, quats, scales, logits, sh_from_colors(torch.rand(count, 3, generator=g)))


def test_plain_splats_are_those_of_the_rasteriser_with_their_gradients() -> None:
    made = []
    for plain in (True, False):
        splats = cloud()
        for value in vars(splats).values():
            value.requires_grad_()
        trust = torch.linspace(0, 1, 300)[:, None]
        seen = cameras(32, 30.0)
        drawn = draw_splats(splats, trust, seen, plain=plain)
        truth = rasterize(splats, seen, features=trust)
        torch.testing.assert_close(drawn.color, truth.color, atol=2e-3, rtol=0)
        torch.testing.assert_close(drawn.alpha, truth.alpha, atol=2e-3, rtol=0)
        weight = torch.rand(drawn.color.shape, generator=torch.Generator().manual_seed(1))
        (drawn.color * weight).sum().backward()
        made.append([value.grad for value in vars(splats).values()])
    for one, other in zip(*made, strict=True):
        assert one is not None and other is not None
        # Pixels that stop below a transmittance of 1e-4 in one and go on in the other.
        torch.testing.assert_close(one, other, atol=2e-2 * float(other.abs().max()), rtol=0)


def test_a_dense_body_is_drawn_whole() -> None:
    g = torch.Generator().manual_seed(0)
    angle = 2 * torch.pi * torch.rand(20_000, generator=g)
    up = 0.2 + 1.3 * torch.rand(20_000, generator=g)
    means = torch.stack([0.15 * angle.cos(), up, 0.15 * angle.sin()], dim=-1)
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(20_000, 1)
    flat = torch.full((20_000, 3), 0.006).log()
    colors = torch.stack([angle.cos(), up, angle.sin()], dim=-1) * 0.3 + 0.5
    splats = Splats(means, quats, flat, torch.full((20_000,), 2.0), sh_from_colors(colors))
    seen = cameras(64, 30.0)
    drawn = draw_splats(splats, up[:, None], seen, plain=True)
    truth = rasterize(splats, seen, features=up[:, None])
    # Splats behind so many others that a square leaves out are hidden nearly everywhere.
    torch.testing.assert_close(drawn.color, truth.color, atol=2e-2, rtol=0)
    assert float((drawn.alpha - truth.alpha).abs().mean()) < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_light_is_the_textured_renderers(seed: int) -> None:
    verts = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.4], [-1.0, 1.0, 0.2]])
    faces, color = torch.tensor([[0, 1, 2]]), torch.tensor([0.6, 0.4, 0.2])
    lighting = random_lighting(np.random.default_rng(seed)).from_front()
    mesh = TexturedMesh(
        faces, torch.zeros(3, 2), faces, torch.zeros(1, dtype=torch.long), (Texture.plain((0.6, 0.4, 0.2)),),
        torch.zeros(1, dtype=torch.bool), torch.arange(3),
    )  # fmt: skip
    drawn = draw_textured(verts, mesh, orbit(torch.zeros(3), [0.0], extent=2.0, width=32, height=32), lighting)
    ours = lit_colors(color.expand(3, 3), smooth_normals(verts[None], faces), lighting)
    inside = drawn.alpha[0] > 0.999
    # Textures are of bytes.
    torch.testing.assert_close(drawn.color[0][inside].mean(0), ours[0, 0], atol=0.01, rtol=0)
