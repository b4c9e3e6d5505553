"""Measurements: `make bench` for speed, `make quality` for the score on public data."""

import sys
from pathlib import Path

#: Other engines and a plotter, where `make bench` has put them. Last on the path: what the product
#: itself needs comes from its own environment.
PACKAGES = Path(__file__).resolve().parent.parent / ".tools" / "bench"
if PACKAGES.is_dir():
    sys.path.append(str(PACKAGES))
