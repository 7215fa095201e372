"""Rigged meshes as `.usdz` (OpenUSD, UsdSkel). The only importer of pxr, from the extra `vivant[usd]`."""
# OpenUSD is made of compiled modules that do not tell type checkers what they hold.
# pyright: reportAttributeAccessIssue=false

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vivant.core.errors import BadInputError, MissingExtraError, OutputError
from vivant.core.images import write_image
from vivant.core.store import writing
from vivant.export.figure import Figure, closed, continuous_quats
from vivant.records import Motion


def expect_usd(clips: int = 0) -> None:
    """Make sure before long work that a USD file with so many clips can be written.

    Raises:
        BadInputError: If there are several clips.
        MissingExtraError: If OpenUSD is not installed.
    """
    if clips > 1:
        raise BadInputError(f"A .usdz holds one clip; {clips} are given. Export one file each.")
    try:
        import pxr.Usd  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'Files .usdz need OpenUSD. Install it with `pip install "vivant[usd]"`, or export .glb.'
        ) from error


def write_usdz(figure: Figure, path: Path, *, quality: int) -> None:
    """Write skeleton, mesh, texture and at most one clip as one package.

    USD plays one animation a skeleton: several motions need several files.

    Raises:
        BadInputError: If there are several motions.
        MissingExtraError: If OpenUSD is not installed.
        OutputError: If the file cannot be written.
    """
    expect_usd(len(figure.motions))
    from pxr import Sdf, UsdUtils

    with tempfile.TemporaryDirectory() as folder:
        texture, layer = Path(folder) / "body.jpg", Path(folder) / "avatar.usdc"
        write_image(figure.texture, texture, quality)
        _write_stage(figure, layer, texture.name)
        package = layer.with_suffix(".usdz")
        made = UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(package))
        # On a full disk OpenUSD cuts the package short and tells nobody.
        if not made or not zipfile.is_zipfile(package):
            raise OutputError(
                f"{path} cannot be written: OpenUSD made no package of it. Is there room in {folder}?"
            )
        with writing(path) as temporary:
            shutil.copyfile(package, temporary)


def _write_stage(figure: Figure, layer: Path, texture: str) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    stage = Usd.Stage.CreateNew(str(layer))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdSkel.Root.Define(stage, "/Avatar")
    stage.SetDefaultPrim(root.GetPrim())
    skeleton = UsdSkel.Skeleton.Define(stage, "/Avatar/Skeleton")
    paths = joint_paths(figure.joint_names, figure.joint_parents)
    skeleton.CreateJointsAttr(paths)
    places = figure.joints_world.double().numpy()
    shifts = places - np.where(
        np.array(figure.joint_parents)[:, None] >= 0, places[list(figure.joint_parents)], 0
    )
    skeleton.CreateBindTransformsAttr(_translations(places))
    skeleton.CreateRestTransformsAttr(_translations(shifts))
    mesh = _add_mesh(stage, figure)
    UsdSkel.BindingAPI.Apply(root.GetPrim())
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    _add_material(stage, mesh, texture)
    for motion in figure.motions:
        clip = _add_clip(stage, motion, figure, paths, shifts)
        binding.CreateAnimationSourceRel().SetTargets([clip])
    stage.GetRootLayer().Save()


def joint_paths(names: tuple[str, ...], parents: tuple[int, ...]) -> list[str]:
    """Joints by their ways from the root, in names that USD knows: letters, digits and underscores."""
    paths: list[str] = []
    for name, parent in zip(names, parents, strict=True):
        plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
        plain = plain if plain[:1].isalpha() else f"j_{plain}"
        paths.append(f"{paths[parent]}/{plain}" if parent >= 0 else plain)
    return paths


def _add_mesh(stage: Any, figure: Figure) -> Any:
    from pxr import Gf, Sdf, UsdGeom, UsdSkel, Vt

    body = figure.mesh
    mesh = UsdGeom.Mesh.Define(stage, "/Avatar/Body")
    verts = body.verts.numpy()
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(verts)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(body.faces), 3))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(body.faces.flatten().numpy().astype(np.int32)))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(body.normals.numpy())))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    low, high = verts.min(0).tolist(), verts.max(0).tolist()
    mesh.CreateExtentAttr([Gf.Vec3f(*low), Gf.Vec3f(*high)])
    uv = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    uv.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(body.uv.numpy())))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets(["/Avatar/Skeleton"])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    influences = body.skin_joints.shape[1]
    joints = body.skin_joints.flatten().numpy().astype(np.int32)
    binding.CreateJointIndicesPrimvar(False, influences).Set(Vt.IntArray.FromNumpy(joints))
    weights = body.skin_weights.flatten().numpy()
    binding.CreateJointWeightsPrimvar(False, influences).Set(Vt.FloatArray.FromNumpy(weights))
    return mesh


def _add_material(stage: Any, mesh: Any, texture: str) -> None:
    from pxr import Sdf, UsdShade

    material = UsdShade.Material.Define(stage, "/Avatar/Skin")
    surface = UsdShade.Shader.Define(stage, "/Avatar/Skin/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.9)
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    reader = UsdShade.Shader.Define(stage, "/Avatar/Skin/Coordinates")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    image = UsdShade.Shader.Define(stage, "/Avatar/Skin/Texture")
    image.CreateIdAttr("UsdUVTexture")
    image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(texture)
    image.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    for wrap in ("wrapS", "wrapT"):
        image.CreateInput(wrap, Sdf.ValueTypeNames.Token).Set("clamp")
    coordinates = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    image.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(coordinates)
    color = image.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(color)
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _add_clip(
    stage: Any, motion: Motion, figure: Figure, paths: list[str], shifts: Float[ndarray, "joints 3"]
) -> str:
    """Add an animation with a turn and a place a joint and frame; its prim's path is given."""
    from pxr import Gf, UsdSkel, Vt

    motion = closed(motion)
    quats = torch.nn.functional.normalize(continuous_quats(motion.pose.local_quats), dim=-1).double()
    stage.SetTimeCodesPerSecond(motion.fps)
    stage.SetFramesPerSecond(motion.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(len(motion) - 1)
    clip = UsdSkel.Animation.Define(stage, "/Avatar/Clip")
    clip.CreateJointsAttr(paths)
    clip.CreateScalesAttr(Vt.Vec3hArray(len(paths), Gf.Vec3h(1, 1, 1)))
    turns, places = clip.CreateRotationsAttr(), clip.CreateTranslationsAttr()
    roots = [joint for joint, parent in enumerate(figure.joint_parents) if parent < 0]
    for frame in range(len(motion)):
        turns.Set([Gf.Quatf(w, x, y, z) for w, x, y, z in quats[frame].tolist()], frame)
        moved = shifts.copy()
        moved[roots] += motion.pose.root[frame].double().numpy()
        places.Set(Vt.Vec3fArray.FromNumpy(moved.astype(np.float32)), frame)
    return str(clip.GetPath())


def _translations(places: Float[ndarray, "joints 3"]) -> list[Any]:
    from pxr import Gf

    return [Gf.Matrix4d(1.0).SetTranslate(Gf.Vec3d(*place)) for place in places.tolist()]
