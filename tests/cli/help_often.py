"""A program for a test: prints help until its reader has left, twice what a pipe holds."""

import sys

from vivant.cli import main

if __name__ == "__main__":
    for _ in range(110):
        code = main(["--help"])
    sys.exit(code)
