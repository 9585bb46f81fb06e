"""The `artif` command: `python -m artif`, or `artif` once the package is installed."""

from __future__ import annotations

import sys

from artif._artif import cli


def main() -> int:
    """Run the command line of this process."""
    return cli(["artif", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
