from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

import artif
from artif import errors
from conftest import BAD, GOOD


@pytest.mark.parametrize(
    "ip",
    [
        BAD,
        ipaddress.ip_address(BAD),
        ipaddress.ip_address(BAD).packed,
        int(ipaddress.ip_address(BAD)),
        f"::ffff:{BAD}",
        ipaddress.ip_address(f"::ffff:{BAD}"),
    ],
    ids=repr,
)
def test_addresses_in_every_form(reader: artif.Reader, ip: object) -> None:
    assert reader.check(ip).ip == BAD
    assert reader.check(ip).is_active


@pytest.mark.parametrize(
    "ip", ["", "10.1", "01.2.3.4", b"abc", -1, 2**128, None, 1.5, [], "1.2.3.4 "]
)
def test_what_is_no_address(reader: artif.Reader, ip: object) -> None:
    with pytest.raises(errors.BadAddressError) as caught:
        reader.check(ip)
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == "ARTIF_BAD_ADDRESS"


def test_answers(reader: artif.Reader) -> None:
    answer = reader.check(BAD)
    assert (answer.verdict, answer.state) == ("dangerous", "active")
    assert answer.score < 1
    assert answer.score == pytest.approx(100 * (1 - answer.risk))
    assert (answer.feeds, answer.categories) == (["mine"], ["attack"])
    assert answer.first_seen.tzinfo is not None
    assert json.loads(answer.to_json()) == answer.to_dict()
    assert repr(answer) == f"<Reputation {BAD}: dangerous, score {answer.score:.1f}, feeds mine>"
    assert reader.check("2001:470:1:2::3").is_active
    resolver = reader.check("9.9.9.9")
    assert (resolver.is_active, resolver.verdict) == (True, "Manual triage needed")
    assert len(resolver.warninglists) == 1
    assert reader.check("10.1.2.3").special_purpose == "Private-Use"
    assert reader.check("8.8.4.4").override["reason"] == "a test"
    assert [a.verdict for a in reader.check_many([GOOD, "8.8.8.8"])] == [
        "No action needed",
        "allowed",
    ]


def test_reasons(reader: artif.Reader) -> None:
    explanation = reader.explain(BAD)
    total = 100 + sum(term.contribution for term in explanation.terms)
    assert total == pytest.approx(explanation.score)
    assert explanation.evidence[0].feed == "mine"
    assert explanation.evidence[0].is_active
    assert BAD in str(explanation)
    assert [(c.name, c.feed, c.verdict) for c in explanation.changes] == [
        ("feed", "mine", "suspicious")
    ]
    assert explanation.changes[0].text in str(explanation)
    assert reader.history(BAD) == explanation.evidence
    before = reader.check_at(BAD, datetime(2020, 1, 1, tzinfo=UTC))
    assert (before.state, before.evidence) == ("unknown", [])
    assert reader.check_at(BAD, datetime(2100, 1, 1)).state == "active"


def test_refresh_tells_and_reports(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("93.184.216.0/24\n")
    feeds = [
        {"id": "a", "url": f"file:{tmp_path / 'a'}"},
        {"id": "gone", "url": f"file:{tmp_path / 'gone'}"},
    ]
    events: list[str] = []
    with artif.Engine(in_memory=True, feed=feeds) as engine:
        report = engine.refresh(progress=lambda event: events.append(event["event"]))
        assert (report.count("loaded"), report.count("failed"), report.published) == (1, 1, True)
        assert (events[0], events[-1]) == ("started", "compiling")
        assert engine.refresh(feeds=["a"]).count("unchanged") == 1
        with pytest.raises(errors.UnknownFeedError):
            engine.refresh(feeds=["b"])
        again = asyncio.run(engine.refresh_async(feeds=["a"]))
        assert again.count("unchanged") == 1
    with pytest.raises(ValueError, match="closed"):
        engine.check(GOOD)


def test_a_task_that_is_cancelled_stops_its_refresh(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("93.184.216.0/24\n")
    engine = artif.Engine(in_memory=True, feed=[{"id": "a", "url": f"file:{tmp_path / 'a'}"}])
    reached, release = threading.Event(), threading.Event()

    def wait(event: dict) -> None:
        if event["event"] == "started":
            reached.set()
            release.wait(10)

    async def cancel() -> None:
        task = asyncio.create_task(engine.refresh_async(progress=wait))
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert engine.status()["snapshot"]["id"] == 0, "nothing was published"


def test_one_owner_many_readers(data: Path) -> None:
    with artif.Engine(data=data, feed=[]) as owner:
        with pytest.raises(errors.LockedError) as caught:
            artif.Engine(data=data)
        assert caught.value.is_retryable
        with artif.Reader(data) as other:
            assert other.check(BAD).is_active
        owner.block(GOOD)
        fresh = artif.Reader(data)
        assert fresh.check(GOOD).verdict == "blocked"
        assert owner.remove_override(GOOD)
        assert not owner.sighting(BAD), "no server wants to hear of it"
        with pytest.raises(errors.BadAddressError):
            owner.sighting("x", false_positive=True)
        assert owner.send_sightings() == []


def test_errors_are_classes_that_pickle(tmp_path: Path) -> None:
    with pytest.raises(errors.NoSnapshotError):
        artif.Reader(tmp_path)
    with pytest.raises(errors.ConfigError, match="did you mean"):
        artif.Engine(in_memory=True, histry={})
    for kind in errors.BY_CODE.values():
        error = pickle.loads(pickle.dumps(kind("what happened", True)))
        assert (type(error), str(error), error.is_retryable) == (kind, "what happened", True)


def test_configuration_by_file(tmp_path: Path) -> None:
    (tmp_path / "artif.toml").write_text('data = "here"\ncatalogue = []\n')
    with artif.Engine(tmp_path / "artif.toml") as engine:
        assert Path(engine.data) == tmp_path / "here"
    with pytest.raises(errors.InvalidError, match="not both"):
        artif.Engine(tmp_path / "artif.toml", history={"window": "1d"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_follows(tmp_path: Path) -> None:
    """A child of gunicorn --preload sees what is published after the fork."""
    (tmp_path / "a").write_text(f"{BAD}\n")
    feed = {"id": "a", "url": f"file:{tmp_path / 'a'}"}
    engine = artif.Engine(data=tmp_path / "data", feed=[feed])
    engine.refresh()
    script = f"""
import os, sys, artif
reader = artif.Reader({str(tmp_path / "data")!r})
assert reader.check({BAD!r}).is_active
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print("forked", flush=True)
sys.stdin.readline()
for _ in range(200):
    if reader.check({GOOD!r}).is_active:
        os._exit(0)
    __import__("time").sleep(0.05)
os._exit(1)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "forked\n"
    (tmp_path / "a").write_text(f"{BAD}\n{GOOD}\n")
    engine.refresh()
    child.communicate("published\n", timeout=60)
    assert child.returncode == 0


def test_threads(reader: artif.Reader) -> None:
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(2_000):
            if not reader.check(BAD).is_active or reader.check(GOOD).is_active:
                wrong.append("wrong")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_command_line(data: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "artif", "--data", str(data), "check", BAD],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "dangerous" in run.stdout, run.stderr
