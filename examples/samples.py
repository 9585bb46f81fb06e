"""Makes a data folder from the sample feeds, so that the examples run offline."""

from __future__ import annotations

import tempfile
from pathlib import Path

import artif

SAMPLES = Path(__file__).parents[1] / "artif-core" / "samples"
BAD = "22.66.6.66"
"""Listed by four of the sample feeds."""
GOOD = "22.201.0.1"


def data_folder() -> Path:
    """Refresh a folder of its own; in production `artif refresh` does this, by cron or a timer."""
    folder = Path(tempfile.mkdtemp(prefix="artif-example-"))
    catalogue = [str(SAMPLES / "catalogue.toml")]
    geo = {"asn": str(SAMPLES / "sample-asn.mmdb"), "country": str(SAMPLES / "sample-country.mmdb")}
    with artif.Engine(data=folder, catalogue=catalogue, geo=geo) as engine:
        engine.refresh()
    return folder
