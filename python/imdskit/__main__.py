"""Entry point of ``python3 -m imdskit``, which runs the command line."""

from imdskit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
