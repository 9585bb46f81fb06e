#!/usr/bin/env python3
"""Writes three days of small feeds (feeds/day1 … day3) and a catalogue for each day.

Standard library only; the same bytes every time. All addresses are drawn at random, from seeds that
stand here, out of the networks in make_mmdb.py: they say nothing about anybody, see README.md.
"""

import ipaddress
import json
import pathlib
import random
import sys

sys.dont_write_bytecode = True  # no __pycache__ beside the samples

import make_mmdb  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DAYS = {1: "2026-08-01T06:00:00Z", 2: "2026-08-02T06:00:00Z", 3: "2026-08-03T06:00:00Z"}
KEPT = 0.8  # the share of a feed's random addresses that is still listed the day after

# Addresses with a story; the days on which a feed lists them. README.md tells what they show.
CAST = {
    "bruteforce": {
        "22.66.6.66": (1, 2, 3), "22.32.5.5": (1,), "22.64.9.9": (1, 3), "22.80.1.1": (3,),
    },
    "c2": {"22.66.6.66": (1, 2, 3), "22.10.44.7": (1, 2)},
    "drop": {
        "22.66.6.0/23": (1, 2, 3), "3ffe:2666::/32": (1, 2, 3),
        "22.20.40.0/24": (1, 2), "22.20.40.0/25": (3,),
    },
    "scanners": {"3ffe:1000::5ca": (1, 2, 3), "22.36.10.10": (1, 2, 3)},
    "spam": {"3ffe:2000::5": (1,), "22.64.9.9": (1, 3), "22.10.200.1": (2, 3)},
    "report": {"22.66.7.7": (1, 2, 3), "22.112.3.4": (2, 3)},
}

# Addresses that README.md promises no feed covers.
NEVER = ("22.10.200.200", "22.96.1.1", "22.201.0.1")

# What the random rest of a feed looks like: how many, and out of which AS numbers.
CROWD = {
    "bruteforce": (24, (64499, 64501, 64496, 65551)),
    "c2": (6, (64496, 64497, 64666)),
    "drop": (0, ()),
    "scanners": (10, (64497, 64500, 65551)),
    "spam": (18, (64501, 64496, 65010)),
    "report": (3, (64501,)),
}

CATALOGUE = [
    dict(id="example-bruteforce", name="SSH and mail logins", provider="Example Watch",
         source_group="example-watch", file="bruteforce.txt", format='{ type = "plain" }',
         categories=["attack"], threat_level=2, confidence=80),
    dict(id="example-c2", name="Command-and-control servers", provider="Example Lab",
         source_group="example-lab", file="c2.csv",
         format='{ type = "csv", header = true, value_col = 1 }',
         categories=["c&c", "malware"], threat_level=1, confidence=90),
    dict(id="example-drop", name="Networks to drop", provider="Example Lab",
         source_group="example-lab", file="drop.ndjson",
         format='{ type = "ndjson", path = "cidr", skip_if = { type = "metadata" } }',
         categories=["botnet", "spam"], threat_level=1, confidence=95),
    dict(id="example-scanners", name="Scanners", provider="Example University",
         source_group="example-university", file="scanners.json",
         format='{ type = "json", path = "[].ip" }',
         categories=["recon"], threat_level=3, confidence=70),
    dict(id="example-spam", name="Senders of spam", provider="Example Mail",
         source_group="example-mail", file="spam.txt", format='{ type = "plain" }',
         categories=["spam"], threat_level=3, confidence=60),
    dict(id="example-report", name="Reports in prose", provider="Example CERT",
         source_group="example-cert", file="report.txt", format='{ type = "freetext" }',
         categories=["malware", "general"], threat_level=2, confidence=50),
    dict(id="example-combined", name="The first two again, as an aggregator would offer them",
         provider="Example Aggregator", source_group="example-watch", file="combined.txt",
         format='{ type = "plain" }', categories=["reputation"], threat_level=4, confidence=40),
]


def draw(rng, asns):
    """One IPv4 address out of the networks of these autonomous systems."""
    networks = [ipaddress.ip_network(n) for n, asn, _ in make_mmdb.ASN if asn in asns]
    network = rng.choice([n for n in networks if n.version == 4])
    return str(network[rng.randrange(1, network.num_addresses - 1)])


def crowd(feed):
    """For each day, the random addresses: most of yesterday's, and new ones for the rest."""
    count, asns = CROWD[feed]
    rng = random.Random(f"artif sample data: {feed}")
    listed, days = [], {}
    for day in DAYS:
        listed = [address for address in listed if rng.random() < KEPT]
        while len(listed) < count:
            address = draw(rng, asns)
            if address not in listed:
                listed.append(address)
        days[day] = list(listed)
    return days


def listed(feed, day):
    """All that a feed lists on a day, sorted."""
    cast = [text for text, days in CAST[feed].items() if day in days]
    networks = {ipaddress.ip_network(text) for text in cast + crowd(feed)[day]}
    return sorted(networks, key=lambda n: (n.version, n))


def text(network):
    host = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if host else str(network)


def plain(feed, day, title):
    head = [f"# {title}, {DAYS[day]}. Invented data, see README.md.", "#"]
    return "\n".join(head + [text(n) for n in listed(feed, day)]) + "\n"


def write_day(day):
    folder = HERE / "feeds" / f"day{day}"
    folder.mkdir(parents=True, exist_ok=True)

    def put(name, content):
        (folder / name).write_text(content, newline="\n")

    put("bruteforce.txt", plain("bruteforce", day, "Sources of password guessing"))
    put("spam.txt", plain("spam", day, "Senders of spam"))

    rows = ["ip,port,family,note"]
    for i, network in enumerate(listed("c2", day)):
        port, family = (443, "ExampleRAT") if i % 2 else (8443, "SampleBot")
        rows.append(f'{text(network)},{port},{family},"seen, {port}"')
    put("c2.csv", "\n".join(rows) + "\n")

    lines = [{"cidr": text(n), "sblid": f"EX{100 + i}"} for i, n in enumerate(listed("drop", day))]
    lines.append({"type": "metadata", "timestamp": DAYS[day], "records": len(lines)})
    put("drop.ndjson", "".join(json.dumps(line) + "\n" for line in lines))

    scanners = [{"ip": text(n), "reports": 3 + i} for i, n in enumerate(listed("scanners", day))]
    put("scanners.json", json.dumps(scanners, indent=1) + "\n")

    prose = [f"Incident notes of {DAYS[day][:10]}. Invented data, see README.md.", ""]
    for network in listed("report", day):
        dotted = text(network).replace(".", "[.]")
        prose.append(f"The dropper was fetched from hxxp://{dotted}/x.bin; block it.")
    put("report.txt", "\n".join(prose) + "\n")

    both = sorted(set(listed("bruteforce", day)) | set(listed("c2", day)))
    head = f"# Collected from others, {DAYS[day]}. Invented data, see README.md.\n"
    put("combined.txt", head + "".join(text(n) + "\n" for n in both))


def write_catalogue(name, day):
    out = [f"# The sample feeds of {DAYS[day]}; written by make_feeds.py.\n"]
    for feed in CATALOGUE:
        categories = json.dumps(feed["categories"])
        out.append(
            "[[feed]]\n"
            f'id = "{feed["id"]}"\n'
            f'name = "{feed["name"]}"\n'
            f'provider = "{feed["provider"]}"\n'
            f'source_group = "{feed["source_group"]}"\n'
            f'url = "file:feeds/day{day}/{feed["file"]}"\n'
            f'format = {feed["format"]}\n'
            f"categories = {categories}\n"
            f'threat_level = {feed["threat_level"]}\n'
            f'confidence = {feed["confidence"]}\n'
        )
    (HERE / name).write_text("\n".join(out), newline="\n")


def check_stories():
    """No random draw may change who lists an address with a story, or leave the sample space."""
    space = [ipaddress.ip_network("22.0.0.0/8"), ipaddress.ip_network("3ffe::/16")]
    stories = {text for cast in CAST.values() for text in cast}
    for feed in CAST:
        for day in DAYS:
            found = {text(n) for n in listed(feed, day)}
            assert stories & found == {t for t, d in CAST[feed].items() if day in d}
            for network in listed(feed, day):
                assert any(network.version == s.version and network.subnet_of(s) for s in space)
                assert not any(ipaddress.ip_address(never) in network for never in NEVER)


if __name__ == "__main__":
    check_stories()
    for day in DAYS:
        write_day(day)
    write_catalogue("catalogue-day1.toml", 1)
    write_catalogue("catalogue-day2.toml", 2)
    write_catalogue("catalogue.toml", 3)
