"""`python -m vivant` is `vivant`."""

import sys

from vivant.cli import main

sys.exit(main())
