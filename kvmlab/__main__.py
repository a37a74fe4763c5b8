"""`python -m kvmlab`: the same as the program `kvmlab`."""

from __future__ import annotations

import sys

from kvmlab.cli import main

sys.exit(main())
