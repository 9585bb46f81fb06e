"""What one would write without artif."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections import defaultdict

import geoip2.database
import geoip2.errors
import maxminddb
import numpy as np
import polars as pl
import pytricia

from support import Entries

Lists = list[tuple[str, Entries]]
Answer = tuple[list[str], int | None, str | None]


class Geo:
    """ASN and country from the databases, by maxminddb's C reader."""

    def __init__(self, geo: dict[str, str]) -> None:
        self.asn = maxminddb.open_database(geo["asn"], maxminddb.MODE_MMAP_EXT)
        self.country = maxminddb.open_database(geo["country"], maxminddb.MODE_MMAP_EXT)

    def __call__(self, ip: str) -> tuple[int | None, str | None]:
        asn, country = self.asn.get(ip), self.country.get(ip)
        return (
            asn and asn.get("autonomous_system_number"),
            country and country.get("country", {}).get("iso_code"),
        )


class Handmade:
    """A dict of single addresses, sorted networks searched by bisection, and maxminddb."""

    def __init__(self, lists: Lists, geo: Geo) -> None:
        self.geo = geo
        single: dict[int, list[str]] = defaultdict(list)
        networks = []
        for name, entries in lists:
            for first, bits in entries:
                if bits == 32:
                    single[first].append(name)
                else:
                    networks.append((first, first + (1 << (32 - bits)), name))
        self.single = dict(single)
        # Disjoint pieces, each with the feeds that list it.
        edges = sorted({edge for first, end, _ in networks for edge in (first, end)})
        sets: list[list[str]] = [[] for _ in edges]
        place = {edge: n for n, edge in enumerate(edges)}
        for first, end, name in networks:
            for n in range(place[first], place[end]):
                sets[n].append(name)
        self.starts, self.sets = edges, sets

    def __call__(self, ip: str) -> Answer:
        a, b, c, d = ip.split(".")
        v4 = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
        feeds = self.single.get(v4, [])
        at = bisect_right(self.starts, v4) - 1
        if at >= 0 and self.sets[at]:
            feeds = feeds + self.sets[at]
        return (feeds, *self.geo(ip))


class Pytricia:
    """A Patricia trie, all networks that cover an address, and maxminddb or geoip2."""

    def __init__(self, lists: Lists, geo: Geo) -> None:
        self.geo = geo
        found: dict[tuple[int, int], list[str]] = defaultdict(list)
        for name, entries in lists:
            for entry in entries:
                found[entry].append(name)
        self.trie = pytricia.PyTricia(32)
        for (first, bits), names in found.items():
            self.trie.insert(ipaddress.IPv4Network((first, bits)), names)

    def feeds(self, ip: str) -> list[str]:
        """Return the feeds that list an address or a network around it."""
        trie = self.trie
        key = trie.get_key(ip)
        feeds: list[str] = []
        while key is not None:
            feeds += trie[key]
            key = trie.parent(key)
        return feeds

    def __call__(self, ip: str) -> Answer:
        return (self.feeds(ip), *self.geo(ip))


class Geoip2:
    """The same questions by the library that wraps maxminddb in classes."""

    def __init__(self, geo: dict[str, str]) -> None:
        self._asn = geoip2.database.Reader(geo["asn"])
        self._country = geoip2.database.Reader(geo["country"])

    def __call__(self, ip: str) -> tuple[int | None, str | None]:
        try:
            asn = self._asn.asn(ip).autonomous_system_number
        except geoip2.errors.AddressNotFoundError:
            asn = None
        try:
            country = self._country.country(ip).country.iso_code
        except geoip2.errors.AddressNotFoundError:
            country = None
        return asn, country


class Join:
    """Sorted edges and numbers of what lies between them: feeds, ASN, country."""

    def __init__(self, hand: Handmade, geo: dict[str, str]) -> None:
        pieces = sorted({*hand.starts, *hand.single, *(v4 + 1 for v4 in hand.single), 0})
        sets: dict[tuple[str, ...], int] = {}
        numbers = []
        for v4 in pieces:
            at = bisect_right(hand.starts, v4) - 1
            names = tuple(hand.single.get(v4, [])) + tuple(hand.sets[at] if at >= 0 else ())
            numbers.append(sets.setdefault(names, len(sets)))
        self.feeds = (np.array(pieces, np.uint64), np.array(numbers, np.uint32))
        self.asn, self.country = self._ranges(geo["asn"]), self._ranges(geo["country"])
        self.frame = (
            pl.DataFrame({"v4": self.feeds[0].astype(np.uint32), "feeds": self.feeds[1]})
            .sort("v4")
            .set_sorted("v4")
        )

    @staticmethod
    def _ranges(path: str) -> tuple[np.ndarray, np.ndarray]:
        known: dict[str, int] = {}
        starts, numbers = [0], [0]
        with maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT) as database:
            for network, record in database:
                if network.version != 4 and int(network.network_address) >> 32:
                    continue
                first = int(network.network_address) & 0xFFFFFFFF
                starts += [first, first + network.num_addresses]
                numbers += [known.setdefault(repr(record), len(known) + 1), 0]
        edges, last = np.unique(np.array(starts, np.uint64)[::-1], return_index=True)
        return edges, np.array(numbers, np.uint32)[::-1][last]

    def numpy(self, texts: list[str]) -> list[np.ndarray]:
        """Return a column of numbers each for feeds, ASN and country."""
        # The fastest way from texts to numbers that NumPy has: one split of all of them.
        octets = np.array(".".join(texts).split("."), np.uint8).reshape(-1, 4)
        v4 = octets.view(">u4").reshape(-1).astype(np.uint64)
        return [
            numbers[np.searchsorted(edges, v4, "right") - 1]
            for edges, numbers in (self.feeds, self.asn, self.country)
        ]

    def polars(self, v4: pl.DataFrame) -> pl.DataFrame:
        """Return the numbers of feed sets, from numbers."""
        return v4.sort("v4").join_asof(self.frame, on="v4")
