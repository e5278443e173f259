"""The version of fer-tui. The package's build and `fer-tui --version` read it."""

__version__ = "0.1.0"
