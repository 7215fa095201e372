"""What workers of other processes are given in tests: functions of a module."""

from vivant.dataset import PeopleConfig


def small(config: PeopleConfig, seed: int, number: int) -> dict[str, bytes]:
    """Bytes that depend on seed and number alone."""
    return {"txt": f"{seed} {number} {config.size}".encode(), "bin": bytes([number % 256]) * 600}
