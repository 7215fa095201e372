"""The splats while they are optimised: tables that change in place, and how they ride."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import tangent_frames
from vivant.records import Avatar, Binding, Rig, Splats

FIELDS = ("means", "quats", "log_scales", "opacity_logits", "sh")
"""The tables, as `Splats` names them."""


@dataclass
class Cloud:
    """An avatar's splats at rest as leaf tensors."""

    tables: dict[str, Tensor]
    binding: Binding
    trust: Float[Tensor, " splats"]

    @classmethod
    def of(cls, avatar: Avatar, bands: int) -> "Cloud":
        """Copy an avatar's splats; harmonics get room for more bands if they have fewer."""
        splats = avatar.splats
        sh = splats.sh
        if sh.shape[1] < bands:
            sh = torch.nn.functional.pad(sh, (0, 0, 0, bands - sh.shape[1]))
        values = (splats.means, splats.quats, splats.log_scales, splats.opacity_logits, sh)
        tables = {
            name: value.detach().clone().contiguous().requires_grad_()
            for name, value in zip(FIELDS, values, strict=True)
        }
        return cls(tables, avatar.binding, avatar.trust.clone())

    def __len__(self) -> int:
        return len(self.trust)

    def splats(self, bands: int | None = None) -> Splats:
        """The tables as a record, with the first bands of the harmonics only if so many are in use."""
        sh = self.tables["sh"]
        return Splats(
            self.tables["means"],
            self.tables["quats"],
            self.tables["log_scales"],
            self.tables["opacity_logits"],
            sh if bands is None or bands == sh.shape[1] else sh[:, :bands].contiguous(),
        )

    def forget_gradients(self) -> None:
        """Begin a step."""
        for table in self.tables.values():
            table.grad = None

    def picked(self, source: Int[Tensor, " rows"]) -> "Cloud":
        """Rows of this cloud, in a new one; copies keep the binding."""
        tables = {
            name: table.detach()[source].contiguous().requires_grad_() for name, table in self.tables.items()
        }
        binding = Binding(**{name: value[source] for name, value in vars(self.binding).items()})
        return Cloud(tables, binding, self.trust[source])

    def avatar(self, avatar: Avatar) -> Avatar:
        """The given avatar with these splats; the binding's offsets follow their places."""
        values = {name: table.detach().cpu().clone() for name, table in self.tables.items()}
        values["quats"] = torch.nn.functional.normalize(values["quats"], dim=-1)
        binding = Binding(**{name: value.cpu() for name, value in vars(self.binding).items()})
        return replace(
            avatar,
            splats=Splats(**values),
            binding=binding_at(avatar.rig, binding, values["means"]),
            trust=self.trust.cpu(),
        )


def binding_at(rig: Rig, binding: Binding, means: Float[Tensor, "splats 3"]) -> Binding:
    """The binding of splats that have moved: its offsets follow their places at rest."""
    corners = rig.verts[rig.faces[binding.face]]
    below = (corners * binding.barycentric[..., None]).sum(1)
    frames = tangent_frames(rig.verts, rig.faces)[binding.face]
    offset = (frames.transpose(1, 2) @ (means - below)[..., None])[..., 0]
    return replace(binding, offset=offset)
