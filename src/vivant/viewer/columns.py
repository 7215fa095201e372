"""The page's table of columns: names, bits and counts for the JSON text, and their bytes."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Shaped

from vivant.viewer.codes import encode_column


@dataclass
class Columns:
    """Columns in the order they are added."""

    table: list[dict[str, object]] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)

    def add(self, name: str, values: Shaped[np.ndarray, " count"], bits: int) -> None:
        """Append one column of unsigned integers."""
        self.table.append({"name": name, "bits": bits, "count": len(values)})
        self.content.append(encode_column(values, bits))
