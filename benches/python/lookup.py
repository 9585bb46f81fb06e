"""What a question costs: CPU time of artif and of what one would use in its place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import redis

import artif
from artif._artif import empty_call
from peers import Geo, Geoip2, Handmade, Join, Pytricia
from support import compare, cpu, entries, goal, number, prepared, questions, table

ONE_BY_ONE = 50_000
MANY = 1_000_000


def main() -> None:
    """Print the tables."""
    given = prepared()
    loads = {}
    engine = artif.Engine(data=given.data, **given.settings)
    began = time.perf_counter()
    loads["artif: refresh of an empty folder"] = cpu(engine.refresh)
    clock = time.perf_counter() - began
    loads["artif: refresh, nothing new"] = cpu(engine.refresh)
    engine.close()
    reader: list[artif.Reader] = []
    loads["artif: open"] = cpu(lambda: reader.append(artif.Reader(given.data)))
    (ours,) = reader
    lists = []
    parsing = cpu(lambda: lists.extend((name, entries(file)) for name, file in given.files))
    geo = Geo(given.geo)
    made = []
    loads["hand-made"] = parsing + cpu(lambda: made.append(Handmade(lists, geo)))
    loads["pytricia"] = parsing + cpu(lambda: made.append(Pytricia(lists, geo)))
    hand, trie = made
    assert isinstance(hand, Handmade)
    joins: list[Join] = []
    loads["NumPy join"] = loads["hand-made"] + cpu(lambda: joins.append(Join(hand, given.geo)))
    (join,) = joins
    status = ours.status()["snapshot"]["counts"]
    print(f"{len(lists)} lists, {sum(len(some) for _, some in lists)} IPv4 entries; {status}")

    mixes = questions(lists, MANY)
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    single(ours, mixes, {"hand-made": hand, "pytricia": trie}, Geoip2(given.geo))
    batch(ours, mixes, hand, join)
    rows = {name: (f"{taken:.3f}",) for name, taken in loads.items()}
    least = min(loads[name] for name in ("hand-made", "pytricia"))
    table("CPU seconds to load", ["s"], rows)
    print(f"the refresh of an empty folder took {clock:.3f} s on the clock")
    print("refresh, times less than the fastest peer:", end=" ")
    print(goal(least / loads["artif: refresh of an empty folder"], 10))
    print("open, as every other process does:", end=" ")
    print(goal(least / loads["artif: open"], 10))
    services(ours, mixes["web"])


def single(ours: artif.Reader, mixes: dict, peers: dict, geoip2: Geoip2) -> None:
    """Ask one by one, as a handler does."""
    rows: dict[str, list[str]] = {}
    ratios: dict[str, list[float]] = {}
    trie, check, gate = peers["pytricia"], ours.check, ours.gate
    for all_ips in mixes.values():
        ips = all_ips[:ONE_BY_ONE]

        def each(ask, ips=ips):
            return lambda: [ask(ip) for ip in ips]

        cache = {ip: check(ip) for ip in ips}
        taken = compare(
            {
                "an empty call": each(empty_call),
                "dict.get of known answers": each(cache.get),
                "artif gate": each(ours.gate),
                "artif gate, a known few": each(gate, ips[:100] * (len(ips) // 100)),
                "artif gate, integers": each(gate, [number(ip) for ip in ips]),
                "artif check": each(check),
                "artif check, 4 fields read": each(
                    lambda ip: (a := check(ip), a.feeds, a.asn, a.country, a.verdict)
                ),
                "hand-made + maxminddb": each(peers["hand-made"]),
                "pytricia + maxminddb": each(trie),
                "pytricia + geoip2": each(lambda ip: (trie.feeds(ip), *geoip2(ip))),
            },
            len(ips),
        )
        for name, micros in taken.items():
            rows.setdefault(name, []).append(f"{micros:.3f}")
        ask, empty = taken["artif check"], taken["an empty call"]
        for name, ratio in (
            ("hand-made / check", taken["hand-made + maxminddb"] / ask),
            ("pytricia / check", taken["pytricia + maxminddb"] / ask),
            ("gate / empty call", taken["artif gate"] / empty),
            ("gate of a known few / empty call", taken["artif gate, a known few"] / empty),
            ("gate of integers / empty call", taken["artif gate, integers"] / empty),
        ):
            ratios.setdefault(name, []).append(ratio)
    table("One address as text, CPU µs", list(mixes), rows)
    goals = {
        "hand-made / check": (6, True),
        "pytricia / check": (8, True),
        "gate / empty call": (2, False),
        "gate of a known few / empty call": (2, False),
        "gate of integers / empty call": (2, False),
    }
    for name, (wanted, more) in goals.items():
        print(f"{name}:", ", ".join(goal(ratio, wanted, more) for ratio in ratios[name]))


def batch(ours: artif.Reader, mixes: dict, hand: Handmade, join: Join) -> None:
    """Ask a million at once."""
    rows: dict[str, list[str]] = {}
    on_clock: dict[str, list[str]] = {}
    reached: dict[str, list[str]] = {}
    for ips in mixes.values():
        arrow = pa.array(ips)
        numbers = np.array([number(ip) for ip in ips], np.uint32)
        frame = pl.DataFrame({"v4": numbers})
        some = ips[: len(ips) // 20]
        loop = compare({"loop": lambda some=some: [hand(ip) for ip in some]}, len(some), 3)["loop"]
        taken = compare(
            {
                "artif, list": lambda ips=ips: ours.check_columns(ips),
                "artif, Arrow": lambda arrow=arrow: ours.check_columns(arrow),
                "artif, uint32": lambda numbers=numbers: ours.check_columns(numbers),
                "artif, uint32, feeds only": lambda numbers=numbers: ours.check_columns(
                    numbers, columns=["feeds"]
                ),
                "artif, Arrow to polars": lambda arrow=arrow: pl.DataFrame(
                    ours.check_columns(arrow)
                ),
                "NumPy join, list": lambda ips=ips: join.numpy(ips),
                "polars join_asof, uint32, feeds only": lambda frame=frame: join.polars(frame),
            },
            len(ips),
            3,
        )
        taken["hand-made loop"] = loop
        # Other threads take part, which CPU time does not show.
        clocks = {
            "artif, uint32, feeds only": lambda numbers=numbers: ours.check_columns(
                numbers, columns=["feeds"]
            ),
            "artif, list": lambda ips=ips: ours.check_columns(ips),
            "polars join_asof, uint32, feeds only": lambda frame=frame: join.polars(frame),
            "NumPy join, list": lambda ips=ips: join.numpy(ips),
        }
        for name, micros in compare(clocks, len(ips), 3, clock=time.perf_counter).items():
            on_clock.setdefault(name, []).append(f"{micros:.4f}")
        for name, micros in taken.items():
            rows.setdefault(name, []).append(f"{micros:.4f}")
        for name, ratio in (
            (
                "NumPy join / list",
                goal(taken["NumPy join, list"] / taken["artif, list"], 10),
            ),
            (
                "NumPy join / Arrow",
                goal(taken["NumPy join, list"] / taken["artif, Arrow"], 10),
            ),
            ("hand-made loop / list", goal(loop / taken["artif, list"], 40)),
            ("hand-made loop / Arrow", goal(loop / taken["artif, Arrow"], 40)),
            *(
                (
                    f"join_asof / {name}",
                    goal(
                        taken["polars join_asof, uint32, feeds only"] / taken[f"artif, {name}"], 4
                    ),
                )
                for name in ("uint32", "uint32, feeds only")
            ),
        ):
            reached.setdefault(name, []).append(ratio)
    table(f"{MANY} at once, CPU µs an address", list(mixes), rows)
    table(f"{MANY} at once, µs on the clock an address", list(mixes), on_clock)
    for name, ratios in reached.items():
        print(f"{name}:", ", ".join(ratios))


class Service(BaseHTTPRequestHandler):
    """A reputation service on the loopback interface."""

    protocol_version = "HTTP/1.1"
    reader: artif.Reader

    def do_GET(self) -> None:
        """Answer in JSON."""
        text = self.reader.check(self.path[1:]).to_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def services(ours: artif.Reader, ips: list[str]) -> None:
    """Ask services on this machine: time on the clock, since the other side works, too."""
    some = ips[:500]

    def clock(ask) -> str:
        taken = []
        for ip in some:
            before = time.perf_counter()
            ask(ip)
            taken.append(time.perf_counter() - before)
        return f"{sorted(taken)[len(taken) // 2] * 1e6:.1f}"

    rows = {"artif check": (clock(ours.check),)}
    Service.reader = ours
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    rows["HTTP, JSON"] = (clock(lambda ip: json.load(urllib.request.urlopen(url + ip))),)
    server.shutdown()
    rows["Redis GET"] = (redis_get(clock, some),)
    table(
        "One question of a service on this machine, µs on the clock (median)",
        ["web"],
        rows,
    )


def redis_get(clock, ips: list[str]) -> str:
    """Ask a Redis that has all answers."""
    binary = shutil.which("redis-server")
    if binary is None:
        return "no redis-server"
    socket = str(Path(tempfile.mkdtemp(prefix="artif-bench-")) / "redis.sock")
    command = [binary, "--port", "0", "--unixsocket", socket, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            client = redis.Redis(unix_socket_path=socket)
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            for ip in ips:
                client.set(ip, '{"score": 100}')
            return clock(client.get)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
