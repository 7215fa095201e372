"""The command line: `vivant --help`."""

from vivant.cli.entry import main

__all__ = ["main"]
