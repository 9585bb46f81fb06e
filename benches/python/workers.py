"""Eight workers under load while snapshots change: errors, followers, memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import artif
from support import goal, prepared, table

PORT = 8765
WORKERS = 8
APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
GUARDED = """
import os
import artif, artif.wsgi

reader = {preload} and artif.Reader({data!r})

def app(environ, start_response):
    answer = environ["artif.reputation"]
    start_response("200 OK", [("X-Worker", f"{{os.getpid()}} {{answer.snapshot_id}}")])
    return [b"ok"]

source = {{"engine": reader}} if reader else {{"data": {data!r}}}
app = artif.wsgi.ReputationMiddleware(app, trusted_hops=1, **source)
"""


def serve(folder: Path, source: str, *options: str) -> subprocess.Popen:
    """Start gunicorn, and wait until it answers."""
    (folder / "served.py").write_text(source)
    command = [sys.executable, "-m", "gunicorn", "served:app", "-b", f"127.0.0.1:{PORT}"]
    command += ["-w", str(WORKERS), "--log-level", "warning", *options]
    server = subprocess.Popen(command, cwd=folder)
    for _ in range(400):
        try:
            ask()
        except OSError:
            time.sleep(0.05)
        else:
            return server
    raise SystemExit("gunicorn does not answer")


def ask() -> str:
    """Ask once; return which worker answered from which snapshot."""
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/")
    request.add_header("X-Forwarded-For", "22.66.6.66")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get("X-Worker", "")


def workers(server: subprocess.Popen) -> list[int]:
    """Return the workers' process ids, when each of them has answered."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for _ in range(40 * WORKERS):
        ask()
    return [int(pid) for pid in children]


def pss(pids: list[int]) -> float:
    """Return the proportional set size of a process on average, in MB."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"\nPss:\s+(\d+)", rollup)[1])
    return total / 1024 / len(pids)


def load(seconds: int) -> tuple[str, int]:
    """Load the server; return requests a second and how many failed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "no wrk", 0
    command = [wrk, "-t1", "-c16", f"-d{seconds}s", "-H", "X-Forwarded-For: 22.66.6.66"]
    command.append(f"http://127.0.0.1:{PORT}/")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+(\S+)", text)[1]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    # gunicorn's simple workers close each connection, which wrk counts as read errors.
    failed = int(bad[1]) if bad else 0
    return rate, failed + (int(broken[1]) + int(broken[4]) if broken else 0)


def main() -> None:
    """Print the figures."""
    given = prepared()
    folder = Path(tempfile.mkdtemp(prefix="artif-bench-"))
    changing = folder / "changing.txt"
    changing.write_text("93.184.216.1\n")
    feeds = [*given.settings.pop("feed", []), {"id": "changing", "url": f"file:{changing}"}]
    engine = artif.Engine(data=given.data, feed=feeds, **given.settings)
    engine.refresh()
    (current,) = (given.data / (given.data / "CURRENT").read_text().strip(),)
    size = current.stat().st_size / 2**20
    print(f"a snapshot of {size:.0f} MB, {os.cpu_count()} processors")
    rows = {}
    memory = {}
    guarded = GUARDED.format(data=str(given.data), preload=False)
    preloaded = GUARDED.format(data=str(given.data), preload=True)
    for name, source, options in (
        ("Python and gunicorn alone", APP, []),
        ("with artif", guarded, []),
        ("with artif, --preload", preloaded, ["--preload"]),
    ):
        server = serve(folder, source, *options)
        try:
            pids = workers(server)
            rate, failed = load(3)
            memory[name] = pss(pids)
            rows[name] = (f"{memory[name]:.1f}", rate, str(failed))
            if name == "with artif":
                refreshes(engine, changing)
        finally:
            server.terminate()
            server.wait()
    table(f"{WORKERS} workers", ["Pss MB a worker", "requests a second", "failed"], rows)
    extra = memory["with artif"] - memory["Python and gunicorn alone"]
    print("MB more a worker:", goal(extra, 10, more_is_better=False))


def refreshes(engine: artif.Engine, changing: Path) -> None:
    """Publish snapshots under load, and see how long workers answer from old ones."""
    counted: list[tuple[str, int]] = []
    thread = threading.Thread(target=lambda: counted.append(load(12)))
    thread.start()
    late = []
    for n in range(2, 5):
        changing.write_text(f"93.184.216.{n}\n")
        snapshot = engine.refresh().snapshot["id"]
        published = time.monotonic()
        last_old = published
        while time.monotonic() < published + 2.5:
            try:
                answer = ask()
            except urllib.error.URLError as error:
                print("failed:", error)
                continue
            if int(answer.split()[1]) < snapshot:
                last_old = time.monotonic()
        late.append(last_old - published)
    thread.join()
    ((rate, failed),) = counted
    print(f"3 refreshes under load: {rate} requests a second, {failed} failed")
    print(
        "seconds until the last answer from an old snapshot:",
        goal(max(late), 2, more_is_better=False),
    )


if __name__ == "__main__":
    main()
