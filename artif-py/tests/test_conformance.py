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
