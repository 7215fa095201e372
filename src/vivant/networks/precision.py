"""Which float type a network should run in, on this machine."""

import torch


def working_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, else float32 (emulated, bfloat16 is five times slower)."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    # torch tells this about processors under private names only.
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return torch.bfloat16 if any(ask is not None and ask() for ask in asked) else torch.float32
