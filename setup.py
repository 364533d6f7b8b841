"""Gives the package index a README without links that lead nowhere there; all else stands in setup.cfg."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup

readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
# The checkout's own pictures go, the links to its pages keep their text; what has a scheme stays.
described = re.sub(r"^!\[[^]]*\]\((?!\w+:)[^)]*\)\n\n?", "", readme, flags=re.MULTILINE)
described = re.sub(r"(?<![!\w])\[([^\n]*?)\]\((?!\w+:)[^)\s]+\)", r"\1", described)

setup(long_description=described)
