"""Input, questions, time."""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[2] / "artif-core" / "samples"
ENTRY = re.compile(
    r'^[\s"]*(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?:/(\d{1,2}))?(?![\d.])', re.MULTILINE
)
Entries = list[tuple[int, int]]


@dataclass
class Input:
    """Feeds as files, and a data folder with the same in it."""

    data: Path
    files: list[tuple[str, Path]]
    geo: dict[str, str]
    settings: dict[str, Any]


def prepared() -> Input:
    """Take the feeds where ARTIF_CORPUS says, else made-up ones."""
    corpus = Path(os.environ.get("ARTIF_CORPUS", "/nowhere"))
    folder = Path(tempfile.mkdtemp(prefix="artif-bench-"))
    settings: dict[str, Any]
    if (corpus / "feeds.json").exists():
        print("input: the corpus, real feeds and databases")
        named = json.loads((corpus / "feeds.json").read_text())
        named = named if isinstance(named, list) else named["feeds"]
        files = [(feed["name"], corpus / feed["path"]) for feed in named]
        settings = {"catalogue": [str(corpus / "feeds.json")]}
        mmdb = corpus / "mmdb"
        geo = {name: str(mmdb / f"GeoLite2-{file}.mmdb") for name, file in GEO.items()}
    else:
        print("input: 20 made-up feeds")
        files = [(f"list-{n}", folder / f"list-{n}.txt") for n in range(20)]
        dice = random.Random(1)
        for _, file in files:
            numbers = (dice.randrange(0x0B000000, 0x5B000000) for _ in range(10_000))
            lines = (f"{text(v4 & ~255)}/24" if dice.random() < 0.1 else text(v4) for v4 in numbers)
            file.write_text("\n".join(lines))
        settings = {"feed": [{"id": name, "url": f"file:{file}"} for name, file in files]}
        geo = {name: str(SAMPLES / f"sample-{name}.mmdb") for name in GEO}
    files = [(name, file) for name, file in files if file.exists()]
    return Input(folder / "data", files, geo, {**settings, "geo": geo})


GEO = {"asn": "ASN", "country": "Country"}


def text(v4: int) -> str:
    """Write an address."""
    return f"{v4 >> 24}.{v4 >> 16 & 255}.{v4 >> 8 & 255}.{v4 & 255}"


def number(ip: str) -> int:
    """Read an address."""
    a, b, c, d = ip.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def entries(file: Path) -> Entries:
    """Read a list as one would by hand: first address and length of each network."""
    found = []
    for ip, length in ENTRY.findall(file.read_text("latin-1")):
        bits = int(length or 32)
        if bits <= 32 and all(int(part) < 256 for part in ip.split(".")):
            found.append((number(ip) >> (32 - bits) << (32 - bits), bits))
    return found


def questions(lists: list[tuple[str, Entries]], count: int) -> dict[str, list[str]]:
    """Make questions: anywhere, only what is listed, and as visitors come."""
    dice = random.Random(7)
    listed = [text(v4) for _, some in lists for v4, _ in some]
    uniform = [text(dice.randrange(0x01000000, 0xE0000000)) for _ in range(count)]
    hits = [dice.choice(listed) for _ in range(count)]
    # A few visitors come often: Zipf over 20,000, of whom 2 % are listed.
    visitors = [hits[n] if n % 50 == 49 else uniform[n] for n in range(min(20_000, count))]
    web = [visitors[int(len(visitors) ** dice.random()) - 1] for _ in range(count)]
    # Texts of their own, as a server makes them: none that a dict has seen and hashed before.
    return {
        name: [ip.encode().decode() for ip in some]
        for name, some in (("uniform", uniform), ("hits", hits), ("web", web))
    }


def cpu(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds of CPU time that `work` takes, in all of this process's threads."""
    before = clock()
    work()
    return clock() - before


def compare(
    contestants: dict[str, Callable[[], object]],
    per: int,
    rounds: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Return the median microseconds of CPU time, contestants taking turns."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            taken = cpu(work, clock)
            # The first round warms up.
            if turn > 0:
                times[name].append(taken * 1e6 / per)
    return {name: statistics.median(taken) for name, taken in times.items()}


def table(title: str, columns: Sequence[str], rows: dict[str, Sequence[str]]) -> None:
    """Print a table."""
    print(f"\n{title}")
    width = max(map(len, rows), default=0)
    print(" " * width, *(f"{column:>16}" for column in columns))
    for name, cells in rows.items():
        print(f"{name:<{width}}", *(f"{cell:>16}" for cell in cells))


def goal(reached: float, wanted: float, more_is_better: bool = True) -> str:
    """Say whether a goal was reached."""
    held = reached >= wanted if more_is_better else reached <= wanted
    sign = "≥" if more_is_better else "≤"
    return f"{reached:.2f} (goal {sign} {wanted:g}: {'reached' if held else 'MISSED'})"
