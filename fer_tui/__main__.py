"""Run fer-tui with `python -m fer_tui`."""

import sys

from fer_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
