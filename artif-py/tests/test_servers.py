"""Real servers with several workers, while snapshots change under them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import artif
from conftest import BAD, GOOD

WSGI = """
import os
import artif, artif.wsgi

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]

PRELOADED = {preload} and artif.Reader({data!r})
source = {{"engine": PRELOADED}} if PRELOADED else {{"data": {data!r}}}
app = artif.wsgi.ReputationMiddleware(app, mode="enforce", trusted_hops=1, **source)
"""
ASGI = """
import os
import artif.asgi

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})

app = artif.asgi.ReputationMiddleware(app, mode="enforce", trusted_hops=1, data={data!r})
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port: int, client: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"X-Forwarded-For": client})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@contextmanager
def served(command: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen]:
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                ask(port, GOOD)
                break
            except OSError:
                text = (folder / "server.log").read_text()
                assert server.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.05)
        yield server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn-preload", "uvicorn"])
def test_every_worker_follows(kind: str, tmp_path: Path) -> None:
    pytest.importorskip(kind.partition("-")[0])
    (tmp_path / "list.txt").write_text(f"{BAD}\n")
    feed = {"id": "mine", "url": f"file:{tmp_path / 'list.txt'}"}
    engine = artif.Engine(data=tmp_path / "data", feed=[feed])
    engine.refresh()
    preload = kind.endswith("preload")
    source = (ASGI if kind == "uvicorn" else WSGI).format(
        preload=preload, data=str(tmp_path / "data")
    )
    (tmp_path / "served.py").write_text(source)
    port = free_port()
    if kind == "uvicorn":
        options = ["uvicorn", "served:app", "--port", str(port), "--workers", "2"]
    else:
        options = ["gunicorn", "served:app", "-b", f"127.0.0.1:{port}", "-w", "4"]
        options += ["--preload"] if preload else []
    with served([sys.executable, "-m", *options], tmp_path, port):
        assert ask(port, BAD)[0] == 403
        # No public resolver: warninglists keep those from being refused.
        (tmp_path / "list.txt").write_text(f"{BAD}\n93.184.216.77\n")
        engine.refresh()
        # Followers look four times a second; a loaded machine may take longer.
        deadline = time.monotonic() + 30
        refused_in_a_row = 0
        while refused_in_a_row < 40:
            status, _ = ask(port, "93.184.216.77")
            assert status in {200, 403}
            refused_in_a_row = refused_in_a_row + 1 if status == 403 else 0
            assert time.monotonic() < deadline, "a worker still answers from the old snapshot"
        with ThreadPoolExecutor(16) as clients:
            workers = {body for _, body in clients.map(lambda _: ask(port, GOOD), range(400))}
        assert len(workers) > 1, "all answers came from one worker"
