"""The vectors that every language runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import artif

VECTORS = Path(__file__).parents[2] / "tests" / "conformance"


def vectors(name: str) -> list[dict]:
    return json.loads((VECTORS / name).read_text())["vectors"]


@pytest.mark.parametrize("vector", vectors("client_address.json"), ids=lambda v: v["id"])
def test_client_address_vectors(vector: dict) -> None:
    given = dict(vector["given"])
    if "header" in given:
        given["client_header"] = given.pop("header")
    gatekeeper = artif.Gatekeeper(**given)
    name = gatekeeper.header
    sent = [(n.lower(), value.encode("latin-1")) for n, value in vector["when"]["headers"]]
    values = [value for n, value in sent if n == name]
    found = gatekeeper.client(vector["when"]["peer"], values)
    assert found == vector["then"]["client"]


def test_every_error_code_has_a_class() -> None:
    source = (VECTORS.parents[1] / "artif-core" / "src" / "error.rs").read_text()
    codes = set(re.findall(r'=> "(ARTIF_[A-Z_]+)"', source))
    assert len(codes) > 15
    assert codes == set(artif.errors.BY_CODE)


SIGNALS = json.loads((VECTORS / "signals.json").read_text())


@pytest.mark.parametrize("vector", SIGNALS["vectors"], ids=lambda v: v["id"])
def test_signals_vectors(vector: dict) -> None:
    when, then = vector["when"], vector["then"]
    with artif.Engine(in_memory=True, **SIGNALS["given"]) as engine:

        def report() -> None:
            for ip, name, count in when["reports"]:
                engine.signal(ip, name, count)

        if "error" in then:
            with pytest.raises(artif.errors.BY_CODE[then["error"]]):
                report()
            return
        report()
        if "forget" in when:
            assert engine.forget_signals(when["forget"])
        answer = engine.check(when["lookup"])
        assert answer.score == pytest.approx(then["score"], abs=0.01)
        assert answer.verdict == then["verdict"]
        said = engine.signals(when["lookup"])
        assert answer.to_dict().get("signals", []) == said
        assert [signal["name"] for signal in said] == [signal["name"] for signal in then["signals"]]
        for found, expected in zip(said, then["signals"], strict=True):
            assert found["count"] == pytest.approx(expected["count"], abs=0.01)
            assert found["effect"] == pytest.approx(expected["effect"], abs=0.01)
