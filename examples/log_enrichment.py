"""An access log of a million lines, and what its visitors are: a table of verdicts, by polars.

`python log_enrichment.py [LINES]` writes such a log, the same in every run, and reads it.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

import artif

sys.path.insert(0, str(Path(__file__).parent))
from samples import BAD, GOOD, SAMPLES, data_folder

LINES = 1_000_000
VISITORS = 50_000
# The common log format: address, two names, time, request, status, size.
ADDRESS = r"^(\S+) "
ENTRY = re.compile(r"^22\.\d+\.\d+\.\d+", re.MULTILINE)
FAILED_LOGINS = 0.02
STATUS = r'" (\d{3}) '


def write_log(path: Path, lines: int) -> None:
    """Write a log of visitors of whom few come often, with some bots among them."""
    dice = random.Random(2026)  # noqa: S311
    # Every tenth visitor is in a sample feed, the others are anywhere near; a few are IPv6.
    lists = (path for path in (SAMPLES / "feeds").rglob("*.*") if path.is_file())
    listed = sorted({ip for file in lists for ip in ENTRY.findall(file.read_text())})
    visitors = [GOOD, BAD, *dice.choices(listed, k=VISITORS // 10), *["unknown"] * 10]
    visitors += [f"2001:470:{n:x}::1" for n in range(100)]
    while len(visitors) < VISITORS:
        n = dice.getrandbits(24)
        visitors.append(f"22.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    dice.shuffle(visitors)
    with path.open("w") as log:
        for _ in range(lines):
            ip = visitors[int(len(visitors) ** dice.random()) - 1]
            status = 401 if dice.random() < FAILED_LOGINS else 200
            log.write(f'{ip} - - [05/Aug/2026:10:00:00 +0000] "GET / HTTP/1.1" {status} 512\n')


def enriched(path: Path, reader: artif.Reader) -> pl.DataFrame:
    """Read a log, and put a column beside it for each thing known of its addresses."""
    raw = pl.read_csv(
        path, has_header=False, separator="\x01", quote_char=None, new_columns=["raw"]
    )
    log = raw.select(
        ip=pl.col("raw").str.extract(ADDRESS), status=pl.col("raw").str.extract(STATUS)
    )
    # A polars Series in, a table for polars out: nothing is copied on the way.
    return log.hstack(pl.DataFrame(reader.check_columns(log["ip"])))


def main() -> None:
    """Print the table."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    reader = artif.Reader(data_folder())
    path = Path(tempfile.mkdtemp(prefix="artif-example-")) / "access.log"
    write_log(path, lines)

    began = time.perf_counter()
    log = enriched(path, reader)
    print(f"{len(log)} lines read and enriched in {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    reader.check_columns(log["ip"])
    print(f"of which the answers took {time.perf_counter() - began:.3f} s")

    by_verdict = log.group_by("verdict").agg(
        requests=pl.len(),
        addresses=pl.col("ip").n_unique(),
        lowest_score=pl.col("score").min(),
        refused=(pl.col("status") == "401").sum(),
    )
    with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(by_verdict.sort("requests", descending=True))
        worst = log.filter(pl.col("listed") > 0).group_by("ip", "verdict", "country", "listed")
        print(worst.agg(requests=pl.len()).sort("requests", "ip", descending=True).head(5))


if __name__ == "__main__":
    main()
