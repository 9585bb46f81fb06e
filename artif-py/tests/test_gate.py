"""The score alone, which has a way of its own through the binding."""

from __future__ import annotations

import gc
import ipaddress
import os
import threading
import time
from pathlib import Path

import pytest

import artif
from artif import errors
from conftest import BAD, GOOD

NUMBER = int(ipaddress.ip_address(BAD))

# Nothing is known of it, and listed.
SAFE = pytest.approx(95.0, abs=5.0)
LISTED = pytest.approx(0.0, abs=1.0)


class Text(str):
    """Not exactly a text."""


@pytest.mark.parametrize(
    "ip",
    [
        BAD,
        Text(BAD),
        NUMBER,
        ipaddress.ip_address(BAD),
        ipaddress.ip_address(BAD).packed,
        f"::ffff:{BAD}",
        ipaddress.ip_address("2001:470:1::7"),
        int(ipaddress.ip_address("2001:470:1::7")),
        "2001:470:1::7",
    ],
    ids=repr,
)
def test_addresses_in_every_form(data: Path, ip: object) -> None:
    with artif.Reader(data) as reader:
        # The first question goes another way than those after it.
        assert [reader.gate(ip) for _ in range(3)] == [LISTED, LISTED, LISTED]
        assert reader.gate(GOOD) == SAFE
        assert reader.gate(ip) == reader.check(ip).score


@pytest.mark.parametrize(
    "ip",
    [
        *("", "10.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.4\0", "\ud800", "\u0661.2.3.4", "1" * 1000),
        *(-1, 2**128, 2**63, -(2**63) - 1, None, 1.5, [], b"abc", object()),
    ],
    ids=repr,
)
def test_what_is_no_address(reader: artif.Reader, ip: object) -> None:
    for _ in range(2):
        if ip == 2**63:
            # An IPv6 address, as the module ipaddress has it.
            assert reader.gate(ip) == SAFE
            continue
        with pytest.raises((errors.BadAddressError, UnicodeEncodeError)):
            reader.gate(ip)
        assert reader.gate(GOOD) == SAFE


def test_arguments(reader: artif.Reader) -> None:
    for wrong in (reader.gate, lambda: reader.gate(GOOD, GOOD)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError):
        reader.gate(ip=GOOD)
    with pytest.raises(TypeError):
        artif.Engine.gate(reader, GOOD)
    assert artif.Reader.gate(reader, BAD) == LISTED
    bound = reader.gate
    assert [bound(ip) for ip in (BAD, GOOD)] == [LISTED, SAFE]
    assert "score" in reader.gate.__doc__


def test_overrides_do_not_change_scores(reader: artif.Reader) -> None:
    assert reader.gate("8.8.4.4") == reader.check("8.8.4.4").score == SAFE


def test_it_follows_and_ends(tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    source.write_text(f"{BAD}\n")
    feed = {"id": "mine", "url": f"file:{source}"}
    signals = {"abuse": {"danger": 3}}
    engine = artif.Engine(data=tmp_path / "data", feed=[feed], signals=signals)
    assert engine.gate(BAD) == SAFE
    engine.refresh()
    assert engine.gate(BAD) == LISTED
    reader = artif.Reader(tmp_path / "data")
    assert (reader.gate(BAD), reader.gate(GOOD)) == (LISTED, SAFE)
    source.write_text(f"{BAD}\n{GOOD}\n")
    engine.refresh()
    reader.reload()
    assert (engine.gate(GOOD), reader.gate(GOOD)) == (LISTED, LISTED)
    later = "93.184.216.99"
    before = engine.gate(later)
    assert before > 80
    engine.signal(later, "abuse", 5)
    assert engine.gate(later) == engine.check(later).score < before - 20
    answer = engine.check(later)
    assert [(one["name"], one["count"]) for one in answer.signals] == [("abuse", 5.0)]
    assert answer.signals == engine.signals(later) == answer.to_dict()["signals"]
    assert engine.check(GOOD).signals == []
    engine.close()
    reader.close()
    for closed in (engine, reader):
        for _ in range(2):
            with pytest.raises(ValueError, match="closed"):
                closed.gate(BAD)
    del engine, reader
    gc.collect()
    # Nothing of theirs has the folder.
    artif.Engine(data=tmp_path / "data", feed=[feed]).close()


def test_a_forked_child_follows(tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    source.write_text(f"{BAD}\n")
    feed = {"id": "mine", "url": f"file:{source}"}
    # Nobody owns the folder when it forks: a child would have the owner's locks.
    with artif.Engine(data=tmp_path / "data", feed=[feed]) as engine:
        engine.refresh()
    reader = artif.Reader(tmp_path / "data")
    assert reader.gate(GOOD) == SAFE
    child = os.fork()
    if child == 0:
        deadline = time.monotonic() + 60
        while reader.gate(GOOD) > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        os._exit(int(reader.gate(GOOD)))
    source.write_text(f"{BAD}\n{GOOD}\n")
    with artif.Engine(data=tmp_path / "data", feed=[feed]) as engine:
        engine.refresh()
    assert os.waitpid(child, 0)[1] == 0, "the child still asks what the parent had"


def test_threads_ask_while_snapshots_change(tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    source.write_text(f"{BAD}\n")
    feed = {"id": "mine", "url": f"file:{source}"}
    engine = artif.Engine(in_memory=True, feed=[feed])
    engine.refresh()
    wrong: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            wrong.extend(score for score in map(engine.gate, [BAD] * 100) if score > 1.0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        source.write_text(f"{BAD}\n93.184.217.{n}\n")
        assert engine.refresh().published
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    engine.close()
