from __future__ import annotations

from pathlib import Path

import pytest

import artif

BAD = "93.184.216.34"
GOOD = "93.184.216.1"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one published snapshot and no owner."""
    folder = tmp_path_factory.mktemp("artif")
    (folder / "list.txt").write_text(f"{BAD}\n9.9.9.9\n2001:470:1::/48\n10.1.2.3\n")
    feed = {"id": "mine", "url": f"file:{folder / 'list.txt'}", "categories": ["attack"]}
    with artif.Engine(data=folder / "data", feed=[feed]) as engine:
        engine.refresh()
        engine.block("8.8.4.4", reason="a test", author="ana")
        engine.allow("8.8.8.0/24")
    return folder / "data"


@pytest.fixture(scope="session")
def reader(data: Path) -> artif.Reader:
    return artif.Reader(data)
