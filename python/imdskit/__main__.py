"""``python3 -m imdskit`` is the command line."""

from imdskit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
