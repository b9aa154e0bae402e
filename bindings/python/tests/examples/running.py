"""Runs the examples as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[4] / "examples" / "python"


def run(example: str, *arguments: str, **variables: str) -> str:
    """What an example prints. Fails if the example does."""
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    # In its own folder, as its first lines say, and in an environment that has nothing of the test's.
    environment = {"PATH": os.defpath, "PYTHONWARNINGS": "error", **variables}
    done = subprocess.run(
        command, env=environment, cwd=(EXAMPLES / example).parent, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
