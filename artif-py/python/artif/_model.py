"""Answers that are read rarely, as plain objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Json = dict[str, Any]
State = Literal["active", "historical", "unknown"]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _needed_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One listing of an address: which feed lists, or listed, which network around it, and when."""

    feed: str
    """The feed's id."""
    name: str
    """The feed's name."""
    source_group: str
    """The publisher: feeds of one publisher are one witness."""
    role: str
    """What being listed there means: "threat", "label" or "benign"."""
    network: str
    """The network it lists: the address itself or one around it."""
    categories: list[str]
    """What the feed says its addresses do."""
    threat_level: int
    """How bad they are, 1 (high) to 4 (undefined)."""
    first_seen: datetime
    """Since when."""
    since_start: bool
    """It was there when the feed was first loaded, so it may be listed for longer."""
    ended: datetime | None
    """When it was seen to be gone; None while it is listed."""

    @property
    def is_active(self) -> bool:
        """Whether it is listed now."""
        return self.ended is None

    @classmethod
    def _from(cls, fields: Json) -> Evidence:
        known = {name: fields[name] for name in cls.__slots__}
        known["first_seen"] = _needed_time(fields["first_seen"])
        known["ended"] = _time(fields["ended"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Term:
    """One reason for a score."""

    name: str
    """What it is about, stable: "asn", "country", "listing" …"""
    contribution: float
    """Points on the 0 to 100 scale that it takes away (negative) or gives."""
    text: str
    """A sentence for an analyst."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that would change an answer, all else being as it is."""

    name: str
    """What it is about, stable: "feed", "feeds", "window", "warninglist", "override"."""
    feed: str | None
    """The feed's id, where it is about one."""
    at: datetime | None
    """When it happens by itself; None where somebody has to act."""
    score: float
    """The score then."""
    verdict: str
    """The verdict then."""
    text: str
    """A sentence for an analyst."""

    @classmethod
    def _from(cls, fields: Json) -> Change:
        known = {name: fields[name] for name in cls.__slots__}
        known["at"] = _time(fields["at"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer with its reasons; `str()` of it is a text for people."""

    _json: str
    _text: str

    def __str__(self) -> str:
        return self._text

    def to_json(self) -> str:
        """Everything as JSON, the same in all languages."""
        return self._json

    def to_dict(self) -> Json:
        """Everything as a dict, with the names of the JSON form."""
        fields: Json = json.loads(self._json)
        return fields

    @property
    def score(self) -> float:
        """The score: 100 and the contributions of all terms."""
        return float(self.to_dict()["score"])

    @property
    def terms(self) -> list[Term]:
        """Why the score is what it is."""
        terms = self.to_dict().get("terms", [])
        return [Term(term["name"], term["contribution"], term["text"]) for term in terms]

    @property
    def evidence(self) -> list[Evidence]:
        """Every listing kept of it, active ones first, then by time."""
        return [Evidence._from(fields) for fields in self.to_dict()["evidence"]]

    @property
    def changes(self) -> list[Change]:
        """What would change the answer."""
        return [Change._from(fields) for fields in self.to_dict()["changes"]]


@dataclass(frozen=True, slots=True)
class PastReputation:
    """What was known of an address at a moment in the past."""

    ip: str
    """The address as it was looked up."""
    at: datetime
    """The moment asked about."""
    state: State
    """Where feeds said it stood then."""
    verdict: str
    """What its verdict would have been from listings alone."""
    evidence: list[Evidence]
    """The listings that made it so."""
    remembers_since: datetime
    """The earliest moment for which the memory is whole: "unknown" before it means nothing."""

    @classmethod
    def _from(cls, fields: Json) -> PastReputation:
        return cls(
            ip=fields["ip"],
            at=_needed_time(fields["at"]),
            state=fields["state"],
            verdict=fields["verdict"],
            evidence=[Evidence._from(one) for one in fields["evidence"]],
            remembers_since=_needed_time(fields["remembers_since"]),
        )


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did."""

    feeds: list[Json]
    """Every feed that was to be fetched: "feed", "outcome", "error", "parse", "commit"."""
    expired: int
    """Ended listings forgotten because they passed the retention."""
    published: bool
    """Whether a new snapshot was published."""
    snapshot: Json
    """The snapshot that answers now."""
    timings: Json
    """Where the time went, in milliseconds."""

    def count(self, outcome: str) -> int:
        """How many feeds were "loaded", "unchanged", "failed" or "refused"."""
        return sum(feed["outcome"] == outcome for feed in self.feeds)

    @classmethod
    def _from(cls, fields: Json) -> RefreshReport:
        return cls(**{name: fields[name] for name in cls.__slots__})
