"""Workers under load while snapshots change under them."""

from __future__ import annotations

import http.client
import re
import sys
import threading
from pathlib import Path

import pytest

import artif
from conftest import BAD, GOOD
from test_servers import WSGI, free_port, served

NEW = "93.184.216.77"
SNAPSHOTS = 5


def hammer(port: int, clients: list[str], stop: threading.Event, seen: list[object]) -> None:
    """Ask on one connection after the other, as browsers do, until told to stop."""
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            for client in clients:
                connection.request("GET", "/", headers={"X-Forwarded-For": client})
                answer = connection.getresponse()
                answer.read()
                seen.append(answer.status)
        except OSError as error:
            seen.append(error)
        finally:
            connection.close()


def newest(folder: Path) -> str:
    """Return the name of the snapshot that was published last."""
    return max(folder.glob("snapshot-*.artif"), key=lambda file: int(file.stem[9:])).name


def shared(snapshot: str, pids: set[int]) -> tuple[int, int]:
    """Return the bytes of a snapshot that are resident in all processes, and as one copy each."""
    resident = proportional = 0
    for pid in pids:
        for part in Path(f"/proc/{pid}/smaps").read_text().split("\nVmFlags"):
            if f"/{snapshot}" in part:
                resident += int(re.search(r"\nRss:\s+(\d+)", part)[1]) << 10
                proportional += int(re.search(r"\nPss:\s+(\d+)", part)[1]) << 10
    return resident, proportional


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_request_suffers_from_a_refresh(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    listed = [f"60.{n >> 8 & 255}.{n & 255}.{n % 250}" for n in range(60_000)]
    (tmp_path / "list.txt").write_text("\n".join([BAD, *listed]))
    feed = {"id": "mine", "url": f"file:{tmp_path / 'list.txt'}"}
    engine = artif.Engine(data=tmp_path / "data", feed=[feed])
    engine.refresh()
    (tmp_path / "served.py").write_text(WSGI.format(preload=False, data=str(tmp_path / "data")))
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "served:app", "-b", f"127.0.0.1:{port}"]
    command += ["-w", "4", "--threads", "2"]
    with served(command, tmp_path, port) as server:
        stop, seen = threading.Event(), []
        threads = [
            threading.Thread(target=hammer, args=(port, [GOOD, BAD, NEW], stop, seen))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()

        def more(requests: int) -> None:
            count = len(seen)
            while len(seen) < count + requests:
                assert server.poll() is None
                stop.wait(0.01)

        try:
            for n in range(SNAPSHOTS):
                (tmp_path / "list.txt").write_text("\n".join([BAD, *listed[n:], NEW]))
                assert engine.refresh().published
                more(100)
            # Each worker is asked some more once it has the last snapshot.
            last = newest(tmp_path / "data")
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
            workers = {int(pid) for pid in children.split()}
            while not all(last in Path(f"/proc/{pid}/maps").read_text() for pid in workers):
                more(10)
            more(600)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert set(seen) == {200, 403}, [one for one in seen if one not in {200, 403}][:3]

        assert len(workers) == 4
        resident, proportional = shared(last, workers)
        assert resident > 0
        assert proportional < resident / 2, (proportional, resident)
