"""The examples are run as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("framework", ["django", "flask", "fastapi"])
def test_example(framework: str) -> None:
    pytest.importorskip(framework)
    script = EXAMPLES / framework / "app.py"
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stdout.splitlines() if line[:3] in {"200", "403"}]
    assert [line[:3] for line in lines] == ["200", "403"], run.stdout
    assert "22.201.0.1" in lines[0]
    assert "reference" in run.stdout.lower()


def test_log_enrichment() -> None:
    pytest.importorskip("polars")
    command = [sys.executable, EXAMPLES / "log_enrichment.py", "50000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("50000 lines read and enriched"), run.stdout
    counted = [line.split("┆")[0].strip("│ ") for line in run.stdout.splitlines() if "┆" in line]
    assert {"dangerous", "No action needed", "null"} <= set(counted), run.stdout
