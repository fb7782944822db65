"""Other tools, each in a virtual environment of its own below `runs/peers/`, so that they never meet our packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness import REPOSITORY

__all__ = ["peer_python"]


def peer_python(name: str, requirements: Sequence[str], *, without_dependencies: Sequence[str] = ()) -> Path:
    """The interpreter of `runs/peers/NAME`, which is made with these requirements where it is not there or has others.

    Args:
        name: of the folder.
        requirements: what pip installs, with all that they need.
        without_dependencies: what pip installs after them without what they need, for packages that ask for a GPU's
            libraries.

    Raises:
        CalledProcessError: a requirement cannot be installed.
    """
    folder = REPOSITORY / "runs" / "peers" / name
    python, made_with = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "".join(f"{one}\n" for one in (*requirements, *without_dependencies))
    if not made_with.exists() or made_with.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        if without_dependencies:
            subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *without_dependencies], check=True)
        made_with.write_text(wanted, "utf-8")
    return python
