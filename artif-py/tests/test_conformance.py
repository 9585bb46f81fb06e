"""The vectors that every language runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import artif

VECTORS = Path(__file__).parents[2] / "tests" / "conformance"


def document(name: str) -> dict:
    return json.loads((VECTORS / name).read_text())


def vectors(name: str) -> list[dict]:
    return document(name)["vectors"]


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


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> artif.Reader:
    """The refreshes of the document, each by the command at its time."""
    given = document("engine.json")["given"]
    folder = tmp_path_factory.mktemp("vectors")
    sections = [given["config"]]
    for feed in given["feeds"]:
        fields = {**feed, "url": f"file:{folder / feed['id']}"}
        sections.append("[[feed]]")
        sections += [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    (folder / "artif.toml").write_text("\n".join(sections))

    def run(at: str, *args: str) -> None:
        options = ["--config", folder / "artif.toml", "--data", folder / "data", "--as-of", at]
        command = [sys.executable, "-m", "artif", *options, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    for day in given["days"]:
        for feed, entries in day["lists"].items():
            (folder / feed).write_text("\n".join(entries))
        if day is given["days"][-1]:
            for entry in given["overrides"]:
                said = ["--reason", entry["reason"], "--author", entry["author"]]
                if entry.get("expires"):
                    said += ["--expires", entry["expires"]]
                run(entry["created"], "override", "add", entry["prefix"], entry["action"], *said)
        run(day["at"], "refresh")
    return artif.Reader(folder / "data")


@pytest.mark.parametrize("vector", vectors("engine.json"), ids=lambda v: v["id"])
def test_engine_vectors(vector: dict, replayed: artif.Reader) -> None:
    when, then = vector["when"], vector["then"]
    try:
        if "at" in when:
            past = replayed.check_at(when["lookup"], datetime.fromisoformat(when["at"]))
            found = {name: getattr(past, name) for name in then}
            if "evidence" in found:
                found["evidence"] = len(found["evidence"])
        else:
            answer = replayed.check(when["lookup"]).to_dict()
            assert replayed.gate(when["lookup"]) == answer["score"]
            columns = replayed.check_columns([when["lookup"]])
            assert columns.verdict[0] == answer["verdict"]
            assert columns.score[0] == answer["score"]
            found = {name: answer[name] for name in then}
    except artif.ArtifError as error:
        found = {"error": error.code}
    assert found == then


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
        assert answer.to_dict().get("signals", []) == answer.signals == said
        assert engine.gate(when["lookup"]) == answer.score
        assert [signal["name"] for signal in said] == [signal["name"] for signal in then["signals"]]
        for found, expected in zip(said, then["signals"], strict=True):
            assert found["count"] == pytest.approx(expected["count"], abs=0.01)
            assert found["effect"] == pytest.approx(expected["effect"], abs=0.01)
