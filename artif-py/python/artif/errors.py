"""What can go wrong, a class for each code of the engine.

Every class is an `ArtifError` and, where Python has a word for it, that too:

>>> import artif
>>> try:
...     artif.Engine(in_memory=True).check("10.1")
... except ValueError as error:
...     print(type(error).__name__, error.code, error.is_retryable)
BadAddressError ARTIF_BAD_ADDRESS False
"""

from __future__ import annotations

from typing import ClassVar


class ArtifError(Exception):
    """Any error of the engine."""

    code: ClassVar[str] = "ARTIF"
    """Stable, the same in all languages; texts may change."""

    is_retryable: bool
    """Whether the same may succeed later without anyone changing anything."""

    def __init__(self, message: str = "", is_retryable: bool = False) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable

    def __reduce__(self) -> tuple[type[ArtifError], tuple[str, bool]]:
        """Pickles it, for errors that cross processes."""
        return (type(self), (str(self.args[0]), self.is_retryable))


class BadAddressError(ArtifError, ValueError):
    """Something is not an IPv4 or IPv6 address."""

    code = "ARTIF_BAD_ADDRESS"


class BadPrefixError(ArtifError, ValueError):
    """Text is not a network in CIDR notation."""

    code = "ARTIF_BAD_PREFIX"


class InvalidError(ArtifError, ValueError):
    """An argument makes no sense."""

    code = "ARTIF_INVALID"


class ConfigError(ArtifError, ValueError):
    """The configuration or a catalogue is wrong."""

    code = "ARTIF_CONFIG"


class UnknownFeedError(ArtifError, LookupError):
    """No feed has this id."""

    code = "ARTIF_UNKNOWN_FEED"


class FetchError(ArtifError, ConnectionError):
    """A feed could not be fetched."""

    code = "ARTIF_FETCH"


class ParseError(ArtifError, ValueError):
    """A feed's document is broken as a whole."""

    code = "ARTIF_PARSE"


class RefusedError(ArtifError):
    """New content of a feed looked wrong; the last good content stays."""

    code = "ARTIF_REFUSED"


class MispError(ArtifError, ConnectionError):
    """A MISP server said no, or nothing; the code in brackets says which it was."""

    code = "ARTIF_MISP"


class LedgerError(ArtifError, OSError):
    """The ledger failed."""

    code = "ARTIF_LEDGER"


class LedgerCorruptError(ArtifError):
    """The ledger's content is damaged."""

    code = "ARTIF_LEDGER_CORRUPT"


class GeoError(ArtifError):
    """A geo database could not be used."""

    code = "ARTIF_GEO"


class SnapshotError(ArtifError):
    """A snapshot or overlay file is damaged."""

    code = "ARTIF_SNAPSHOT"


class SnapshotVersionError(SnapshotError):
    """A snapshot was written by another version of the format."""

    code = "ARTIF_SNAPSHOT_VERSION"


class NoSnapshotError(ArtifError, LookupError):
    """The folder has no snapshot yet."""

    code = "ARTIF_NO_SNAPSHOT"


class LockedError(ArtifError, OSError):
    """Another process owns the folder."""

    code = "ARTIF_LOCKED"


class FileError(ArtifError, OSError):
    """The operating system refused a file operation."""

    code = "ARTIF_IO"


class CancelledError(ArtifError):
    """The caller stopped the work; nothing half-done was kept."""

    code = "ARTIF_CANCELLED"


BY_CODE: dict[str, type[ArtifError]] = {
    error.code: error
    for error in (
        BadAddressError,
        BadPrefixError,
        InvalidError,
        ConfigError,
        UnknownFeedError,
        FetchError,
        ParseError,
        RefusedError,
        MispError,
        LedgerError,
        LedgerCorruptError,
        GeoError,
        SnapshotError,
        SnapshotVersionError,
        NoSnapshotError,
        LockedError,
        FileError,
        CancelledError,
    )
}
"""Every class by its code."""
