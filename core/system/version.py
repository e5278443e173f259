"""The version of fer-tui, told here alone: the package's build and `fer-tui --version` read it."""

__version__ = "0.1.0"
