"""Reports about feeds and scorers: what the engine says, handed on."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import artif


def test_the_feed_report(tmp_path: Path) -> None:
    (tmp_path / "wide").write_text("93.184.216.0/24\n")
    (tmp_path / "narrow").write_text("93.184.216.34\n198.41.0.9\n")
    feeds = [{"id": name, "url": f"file:{tmp_path / name}"} for name in ("wide", "narrow")]
    with artif.Engine(data=tmp_path / "data", feed=feeds) as engine:
        engine.refresh()
        report = engine.feed_report()
    assert report.overlap("narrow", "wide") == 0.5
    assert report.overlap("narrow", "other") is None
    assert {feed["id"] for feed in report.feeds} == {"wide", "narrow"}
    assert json.loads(report.to_json()) == report.to_dict()
    assert report.to_html().startswith("<!DOCTYPE html>")
    assert repr(report) == "<FeedsReport of 2 feeds>"
    command = [sys.executable, "-m", "artif", "--data", tmp_path / "data", "feeds", "report"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == str(report)
    assert str(artif.Reader(tmp_path / "data").feed_report()) == said


def test_a_backtest(tmp_path: Path) -> None:
    for day, listed in (("01", "23.1.1.1"), ("02", "23.1.1.1\n23.1.1.2"), ("03", "23.1.1.2")):
        folder = tmp_path / f"2026-08-{day}"
        folder.mkdir()
        (folder / "list.txt").write_text(f"{listed}\n")
    days: list[str] = []
    report = artif.backtest(
        tmp_path,
        scorers=["classic"],
        negatives=1000,
        seed=2,
        history={"window": "3d"},
        on_day=lambda day: days.append(day["date"]),
    )
    assert days == ["2026-08-01", "2026-08-02"]
    assert [day["date"] for day in report.days] == days
    assert report.days[0]["new"]["bad"] == 1
    assert report.to_dict()["scorers"] == ["classic"]
    assert json.loads(report.to_json()) == report.to_dict()
    assert "classic" in str(report)
    later = artif.backtest(tmp_path, negatives=1000, start=date(2026, 8, 2))
    assert repr(later) == "<BacktestReport of 1 days>"
    with pytest.raises(artif.errors.FileError):
        artif.backtest(tmp_path / "nowhere")
    with pytest.raises(artif.ArtifError, match="did you mean"):
        artif.backtest(tmp_path, scorers=["clasic"])
    with pytest.raises(artif.errors.ConfigError):
        artif.backtest(tmp_path, history={"windw": "3d"})
