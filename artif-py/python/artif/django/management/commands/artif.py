"""The `artif` command line on the folder of `settings.ARTIF`."""

from __future__ import annotations

import sys
from argparse import REMAINDER
from os import PathLike
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from artif._artif import cli


class Command(BaseCommand):
    """Run `artif` with --data from the settings."""

    help = "The artif command line on the data folder of settings.ARTIF, as in: artif -- status"
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        """Hand everything on."""
        parser.add_argument("args", nargs=REMAINDER)

    def handle(self, *args: Any, **_: Any) -> None:
        """Run it."""
        given = getattr(settings, "ARTIF", {})
        options = []
        if isinstance(given.get("config"), (str, PathLike)):
            options += ["--config", str(given["config"])]
        if given.get("data") is not None:
            options += ["--data", str(given["data"])]
        code = cli(["artif", *options, *(arg for arg in args if arg != "--")])
        if code:
            sys.exit(code)
