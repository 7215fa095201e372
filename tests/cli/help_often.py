"""A program for a test: prints help until its reader has left."""

import sys

from vivant.cli import main

if __name__ == "__main__":
    for _ in range(200):
        code = main(["--help"])
    sys.exit(code)
