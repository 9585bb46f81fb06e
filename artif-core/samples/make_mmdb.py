#!/usr/bin/env python3
"""Writes sample-asn.mmdb, sample-country.mmdb and sample-lite.mmdb beside this script; with a
folder as argument also the files that the tests read schemas of other publishers from.

Standard library only; the same bytes every time. The format is that of
https://maxmind.github.io/MaxMind-DB/: a binary search tree, 16 zero bytes, the data section, the
metadata. What the addresses and numbers are, and are not: README.md.
"""

import ipaddress
import pathlib
import sys

BUILD_EPOCH = 1_785_542_400  # 2026-08-01T00:00:00Z

# network, AS number, organisation; a more specific network comes after the one around it.
ASN = [
    ("22.10.0.0/16", 64496, "Example Hosting"),
    ("22.20.0.0/15", 64497, "Example Cloud"),
    ("22.20.40.0/22", 64498, "Example Managed Servers"),
    ("22.32.0.0/12", 64499, "Example Telecom"),
    ("22.36.0.0/16", 64500, "Example Mobile"),
    ("22.64.0.0/14", 64501, "Example Broadband"),
    ("22.66.6.0/23", 64666, "Example Bulletproof"),
    ("22.80.0.0/16", 64502, "Example University"),
    ("22.96.0.0/17", 64503, "Example CDN"),
    ("22.96.128.0/17", 65010, "Example Hosting"),
    ("22.112.0.0/13", 65551, "Example Backbone"),
    ("22.120.0.0/16", 64510, None),
    ("3ffe:1000::/24", 64496, "Example Hosting"),
    ("3ffe:1040::/28", 64497, "Example Cloud"),
    ("3ffe:2000::/20", 64499, "Example Telecom"),
    ("3ffe:2666::/32", 64666, "Example Bulletproof"),
    ("3ffe:8000:4000::/36", 65551, "Example Backbone"),
]

# network, country, country of registration; the codes are user-assigned ones of ISO 3166-1.
COUNTRY = [
    ("22.10.0.0/16", "XA", "XA"),
    ("22.10.128.0/18", "XB", "XA"),
    ("22.20.0.0/15", "XB", "XB"),
    ("22.32.0.0/12", "XC", "XC"),
    ("22.36.128.0/17", "XD", "XC"),
    ("22.64.0.0/14", "XD", "XD"),
    ("22.66.6.0/23", None, "XE"),
    ("22.80.0.0/16", "XA", "XA"),
    ("22.112.0.0/12", "XC", "XC"),
    ("22.200.0.0/16", "XE", "XE"),
    ("3ffe:1000::/20", "XA", "XA"),
    ("3ffe:2000::/19", "XC", "XC"),
    ("3ffe:2666::/32", None, "XE"),
    ("3ffe:8000::/17", "XB", "XB"),
]


def control(kind, size):
    """The control byte or bytes in front of a value of `size`."""
    first, extended = (0, bytes([kind - 7])) if kind > 7 else (kind << 5, b"")
    if size < 29:
        return bytes([first | size]) + extended
    if size < 285:
        return bytes([first | 29]) + extended + bytes([size - 29])
    return bytes([first | 30]) + extended + (size - 285).to_bytes(2, "big")


def number(value, kind):
    """An unsigned integer: kind 5 = 16 bits, 6 = 32 bits, 9 = 64 bits; leading zeros dropped."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return control(kind, len(raw)) + raw


class Section:
    """A data section in which every string and every record stands once."""

    def __init__(self):
        self.data = bytearray()
        self.strings = {}
        self.records = {}

    def encode(self, value, at):
        """The bytes of `value` when written at offset `at`."""
        if isinstance(value, str):
            offset = self.strings.get(value)
            if offset is not None and offset < 2048:  # a two-byte pointer reaches this far
                return bytes([0x20 | offset >> 8, offset & 0xFF])
            raw = value.encode()
            self.strings.setdefault(value, at)
            return control(2, len(raw)) + raw
        if isinstance(value, bool):
            return control(14, int(value))
        if isinstance(value, int):
            return number(value, 6)
        out = bytearray(control(7, len(value)))
        for key, item in value.items():
            out += self.encode(key, at + len(out))
            out += self.encode(item, at + len(out))
        return bytes(out)

    def add(self, record):
        """The offset of `record`."""
        key = repr(record)
        if key not in self.records:
            self.records[key] = len(self.data)
            self.data += self.encode(record, len(self.data))
        return self.records[key]


class Tree:
    """A binary search tree over IPv6, where IPv4 lives in ::/96, or over IPv4 alone. A slot holds
    None, a data offset as ("data", offset), or another node, which is a list of two slots."""

    def __init__(self, version):
        self.bits = 128 if version == 6 else 32
        self.root = [None, None]

    def path(self, network):
        value, length = int(network.network_address), network.prefixlen
        if network.version == 4:
            length += self.bits - 32
        return [value >> (self.bits - 1 - i) & 1 for i in range(length)]

    def set(self, network, slot):
        node, bits = self.root, self.path(network)
        for bit in bits[:-1]:
            below = node[bit]
            if not isinstance(below, list):  # split: both halves inherit what stood here
                below = node[bit] = [below, below]
            node = below
        node[bits[-1]] = slot

    def get(self, network):
        node = self.root
        for bit in self.path(network):
            node = node[bit]
        return node

    def alias_ipv4(self):
        """Mapped and 6to4 addresses find what their IPv4 address finds, as in MaxMind's files."""
        v4 = self.get(ipaddress.ip_network("::/96"))
        for alias in ("::ffff:0:0/96", "2002::/16"):
            self.set(ipaddress.ip_network(alias), v4)

    def encode(self, record_bits):
        order, numbers, todo = [], {}, [self.root]
        while todo:
            node = todo.pop()
            if id(node) in numbers:
                continue
            numbers[id(node)] = len(order)
            order.append(node)
            todo += [slot for slot in reversed(node) if isinstance(slot, list)]
        def value(slot):
            if slot is None:
                return len(order)
            return numbers[id(slot)] if isinstance(slot, list) else len(order) + 16 + slot[1]

        out = bytearray()
        for left, right in order:
            left, right = value(left), value(right)
            if record_bits == 28:  # the high nibbles share the middle byte
                out += (left & 0xFFFFFF).to_bytes(3, "big")
                out.append(left >> 24 << 4 | right >> 24)
                out += (right & 0xFFFFFF).to_bytes(3, "big")
            else:
                out += left.to_bytes(record_bits // 8, "big")
                out += right.to_bytes(record_bits // 8, "big")
        return bytes(out), len(order)


def write(path, database_type, description, entries, version=6, record_bits=24):
    section, tree = Section(), Tree(version)
    for network, record in entries:
        network = ipaddress.ip_network(network)
        if network.version <= version:
            tree.set(network, ("data", section.add(record)))
    if version == 6:
        tree.alias_ipv4()
    nodes, count = tree.encode(record_bits)
    out = bytearray(control(7, 9))
    for key, value in (
        ("binary_format_major_version", number(2, 5)),
        ("binary_format_minor_version", number(0, 5)),
        ("build_epoch", number(BUILD_EPOCH, 9)),
        ("database_type", Section().encode(database_type, 0)),
        ("description", Section().encode({"en": description}, 0)),
        ("ip_version", number(version, 5)),
        ("languages", control(11, 1) + control(2, 2) + b"en"),
        ("node_count", number(count, 6)),
        ("record_size", number(record_bits, 5)),
    ):
        out += control(2, len(key)) + key.encode() + value
    content = nodes + bytes(16) + section.data + b"\xab\xcd\xefMaxMind.com" + out
    path.write_bytes(content)
    print(f"{path.name}: {len(entries)} networks, {count} nodes, {len(content)} bytes")


def asn_record(number_, organisation):
    record = {"autonomous_system_number": number_}
    if organisation:
        record["autonomous_system_organization"] = organisation
    return record


def country_record(country, registered):
    record = {}
    if country:
        record["country"] = {"iso_code": country, "names": {"en": f"Exampleland {country}"}}
    record["registered_country"] = {"iso_code": registered}
    return record


def both(record):
    """The entries of ASN with the country around each of them."""
    countries = [(ipaddress.ip_network(n), c or r) for n, c, r in COUNTRY]
    for network, asn, organisation in ASN:
        net = ipaddress.ip_network(network)
        around = [c for n, c in countries if n.version == net.version and net.subnet_of(n)]
        yield network, record(asn, organisation or "", around[-1] if around else "")


def lite_record(asn, organisation, country):
    """IPinfo Lite."""
    return {
        "asn": f"AS{asn}", "as_name": organisation, "as_domain": "example.net",
        "country": f"Exampleland {country}", "country_code": country,
    }


def free_record(asn, organisation, country):
    """IPinfo's free country and ASN file, before Lite."""
    return {
        "asn": f"AS{asn}", "as_name": organisation, "as_domain": "example.net",
        "country": country, "country_name": f"Exampleland {country}",
    }


def samples(folder):
    note = "Invented data for examples and tests, {} schema"
    for name, kind, entries in (
        ("asn", "GeoLite2-ASN", [(n, asn_record(a, o)) for n, a, o in ASN]),
        ("country", "GeoLite2-Country", [(n, country_record(c, r)) for n, c, r in COUNTRY]),
    ):
        write(folder / f"sample-{name}.mmdb", kind, note.format(kind), entries)
    write(
        folder / "sample-lite.mmdb", "ipinfo bundle_location_lite.mmdb",
        note.format("IPinfo Lite"), list(both(lite_record)), record_bits=28,
    )


def fixtures(folder):
    write(
        folder / "ipinfo-free.mmdb", "ipinfo generic_country_asn_free.mmdb", "Invented data",
        list(both(free_record)), record_bits=32,
    )
    write(
        folder / "country-code-v4.mmdb", "ip-location-db-country", "Invented data",
        [(n, {"country_code": c or r}) for n, c, r in COUNTRY], version=4, record_bits=28,
    )
    write(
        folder / "isp.mmdb", "DBIP-Location-ISP (compat=Enterprise)", "Invented data",
        list(both(lambda a, o, c: {"country": {"iso_code": c}, "traits": asn_record(a, o)})),
    )
    write(
        folder / "neither.mmdb", "GeoIP2-Anonymous-IP", "Invented data",
        [("22.10.0.0/16", {"is_anonymous": True})],
    )


if __name__ == "__main__":
    samples(pathlib.Path(__file__).resolve().parent)
    if len(sys.argv) > 1:
        fixtures(pathlib.Path(sys.argv[1]))
