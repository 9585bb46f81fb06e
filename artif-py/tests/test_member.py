"""Equal processes on one folder: one refreshes, the others follow, another takes over."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import artif
import artif.wsgi
from conftest import BAD, GOOD
from test_servers import ask, free_port, served

APP = """
import os
import artif.wsgi

def app(environ, start_response):
    start_response("200 OK", [])
    member = guarded.gate.engine()
    return [f"{{os.getpid()}} {{int(member.is_owner)}}".encode()]

app = guarded = artif.wsgi.ReputationMiddleware(
    app, config={config!r}, mode="enforce", trusted_hops=1
)
"""
# What servers give a client whose connection ends in a killed worker.
Worker = tuple[int, bool]


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for what other processes do; a loaded machine takes longer than they promise."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def configuration(folder: Path) -> Path:
    (folder / "list.txt").write_text(f"{BAD}\n")
    config = folder / "artif.toml"
    config.write_text(
        f"data = '{folder / 'data'}'\n[middleware]\nmode = 'monitor'\nunknown = 'block'\n"
        f"[[feed]]\nid = 'mine'\nurl = 'file:{folder / 'list.txt'}'\nrefresh = '1s'\n"
    )
    return config


def test_a_member_alone(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    member = artif.Member(config)
    assert not (tmp_path / "data").exists(), "nothing is opened before it is needed"
    assert not member.is_owner
    until(lambda: member.has_snapshot, "it publishes by itself")
    assert member.is_owner
    assert member.check(BAD).is_active
    assert member.gate(BAD) == member.check(BAD).score
    assert list(member.check_columns([BAD]).verdict) == ["dangerous"]
    assert member.status()["snapshot"]["id"] >= 1
    assert repr(member) == f"<Member on {tmp_path / 'data'} (owner)>"
    assert member.middleware["unknown"] == "block"
    with pytest.raises(artif.errors.LockedError):
        artif.Engine(config)
    with artif.Member(config) as second:
        assert second.check(BAD).is_active
        assert not second.is_owner
        member.close()
        until(lambda: second.is_owner, "the other takes over")
    for closed in (member, second):
        assert closed.closed
        with pytest.raises(ValueError, match="closed"):
            closed.check(BAD)
    artif.Engine(config).close()


def test_a_member_of_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(artif.errors.ConfigError):
        artif.Member(scoring={"prior": 2})
    with pytest.raises(artif.ArtifError, match="nonsense"):
        artif.Member(feed=[{"id": "mine", "url": "nonsense"}])
    with pytest.raises(TypeError, match="config="):
        artif.wsgi.ReputationMiddleware(lambda *_: [])


def test_an_owner_that_forks_gives_the_folder_up_before(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    member = artif.Member(config)
    until(lambda: member.has_snapshot and member.is_owner, "it owns")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        told = b"wrong"
        try:
            until(lambda: member.check("93.184.216.77").is_active, "the child follows")
            # What sled has running stayed in the parent.
            with pytest.raises(artif.errors.InvalidError, match="forked"):
                artif.Engine(config, data=tmp_path / "other")
            told = b"right" if not member.is_owner else b"owner"
        finally:
            os.write(write, told)
            # Neither pytest nor what it opened is this process's.
            signal.pause()
    try:
        os.close(write)
        assert not member.is_owner
        assert member.check(BAD).is_active
        until(lambda: member.is_owner, "it takes over again")
        with (tmp_path / "list.txt").open("a") as file:
            file.write("93.184.216.77\n")
        assert os.read(read, 5) == b"right"
        member.close()
        # The child did not inherit the folder's lock.
        artif.Engine(config).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(read)


def test_refreshes_in_the_background(tmp_path: Path) -> None:
    events: list[str] = []
    refreshed = threading.Event()

    def hear(name: str, value: object) -> None:
        events.append(name)
        if name == "refreshed":
            assert value["feeds"][0]["outcome"] == "loaded"
            refreshed.set()

    with artif.Engine(configuration(tmp_path)) as engine:
        with engine.spawn_refresh(hear) as refresher:
            assert refreshed.wait(60)
            assert refresher.running
            with pytest.raises(artif.ArtifError, match="another refresher"):
                engine.spawn_refresh()
        assert not refresher.running
        assert engine.check(BAD).is_active
        assert engine.update_geo() == [], "no source is configured"
        del refresher
        engine.spawn_refresh().stop()


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["gunicorn", "preload"])
def test_workers_refresh_by_themselves(options: list[str], tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    config = configuration(tmp_path)
    (tmp_path / "served.py").write_text(APP.format(config=str(config)))
    port = free_port()

    def worker() -> Worker:
        status, body = ask(port, GOOD)
        # Without a snapshot, and `unknown = "block"` in the file, nobody gets in.
        if status == 403:
            return 0, False
        pid, owner = body.split()
        return int(pid), owner == "1"

    def owners() -> set[int]:
        return {pid for pid, owns in (worker() for _ in range(24)) if owns}

    command = [sys.executable, "-m", "gunicorn", "served:app", "-b", f"127.0.0.1:{port}"]
    with served([*command, "-w", "4", *options], tmp_path, port) as server:
        until(lambda: len(owners()) == 1, "one worker owns the folder")
        (first,) = owners()
        assert first != server.pid
        follow(port, tmp_path, "93.184.216.77")

        os.kill(first, signal.SIGKILL)

        def another() -> bool:
            try:
                now = owners()
            except OSError:
                return False
            return len(now) == 1 and first not in now

        until(another, "another worker takes over")
        follow(port, tmp_path, "93.184.216.78")


def follow(port: int, folder: Path, address: str) -> None:
    """Have the owner publish a new snapshot, and wait until all workers answer from it."""
    all_answer(port, address, 200, "a worker has no snapshot yet")
    with (folder / "list.txt").open("a") as file:
        file.write(f"{address}\n")
    all_answer(port, address, 403, "a worker still answers from the old snapshot")


def all_answer(port: int, address: str, status: int, otherwise: str) -> None:
    """Wait until so many answers in a row are the same that every worker must have given some."""
    in_a_row = 0
    deadline = time.monotonic() + 60
    while in_a_row < 40:
        in_a_row = in_a_row + 1 if ask(port, address)[0] == status else 0
        assert time.monotonic() < deadline, otherwise
