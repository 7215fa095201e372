import functools
from dataclasses import replace

import torch
from tests import fakes

from vivant.body import tangent_frames
from vivant.export.dressing import SkinnedMesh, dress, split_seams
from vivant.mesh import vertex_normals
from vivant.records import Avatar


@functools.lru_cache(maxsize=1)
def bare() -> SkinnedMesh:
    return dress(fakes.avatar(6000))


def clothed(height: float, of: torch.Tensor | None = None) -> Avatar:
    """The red person, with some splats lifted off the skin along its normals."""
    avatar = fakes.avatar(6000)
    of = torch.ones(len(avatar.splats), dtype=torch.bool) if of is None else of
    normals = tangent_frames(avatar.rig.verts, avatar.rig.faces)[avatar.binding.face][:, :, 2]
    means = avatar.splats.means + height * normals * of[:, None]
    return replace(avatar, splats=replace(avatar.splats, means=means))


def test_bare_skin_stays_where_it_is() -> None:
    avatar, mesh = fakes.avatar(6000), bare()
    torch.testing.assert_close(mesh.verts, avatar.rig.verts[mesh.vert], rtol=0, atol=1e-4)


def test_a_thick_coat_thickens_the_trunk() -> None:
    avatar = clothed(0.03)
    rig = avatar.rig
    mesh = dress(avatar)
    out = ((mesh.verts - rig.verts[mesh.vert]) * vertex_normals(rig.verts, rig.faces)[mesh.vert]).sum(-1)
    trunk = (rig.verts[mesh.vert, 1] > 1.0) & (rig.verts[mesh.vert, 1] < 1.25)
    assert abs(float(out[trunk].median()) - 0.03) < 0.004


def test_a_stray_splat_pulls_no_spike() -> None:
    stray = torch.zeros(6000, dtype=torch.bool)
    stray[fakes.avatar(6000).splats.means[:, 2].argmax()] = True
    moved = (dress(clothed(0.5, of=stray)).verts - bare().verts).norm(dim=-1)
    assert float(moved.max()) < 0.02


def test_seams_stand_twice_and_everything_else_once() -> None:
    rig = fakes.rig()
    vert, uv, faces = split_seams(rig)
    assert torch.equal(vert[faces], rig.faces) and torch.equal(uv[faces], rig.uv_faces)
    assert len({*zip(vert.tolist(), uv.tolist(), strict=True)}) == len(vert)


def test_weights_are_four_and_sum_to_one_and_unused_joints_are_zero() -> None:
    mesh = bare()
    assert mesh.skin_weights.shape == (len(mesh.verts), 4)
    torch.testing.assert_close(mesh.skin_weights.sum(1), torch.ones(len(mesh.verts)))
    assert bool((mesh.skin_weights[:, :-1] >= mesh.skin_weights[:, 1:]).all())
    assert int(mesh.skin_joints[mesh.skin_weights == 0].max()) == 0


def test_loose_cloth_follows_the_bones_of_its_splats() -> None:
    avatar = clothed(0.06)
    rig = avatar.rig
    joints = torch.full_like(avatar.binding.skin_joints, rig.joint("head"))
    bound = replace(avatar, binding=replace(avatar.binding, skin_joints=joints))
    mesh = dress(bound)
    leg = (
        (rig.verts[mesh.vert, 1] > 0.6)
        & (rig.verts[mesh.vert, 1] < 0.7)
        & (rig.verts[mesh.vert, 0].abs() < 0.25)
    )
    follows = (mesh.skin_weights * (mesh.skin_joints == rig.joint("head"))).sum(1)
    assert float(follows[leg].median()) > 0.95


def test_normals_have_length_one() -> None:
    torch.testing.assert_close(bare().normals.norm(dim=-1), torch.ones(len(bare().verts)))
