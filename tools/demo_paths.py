"""Where the parts of the demo lie."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
