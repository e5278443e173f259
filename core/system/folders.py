"""The user's folders for caches, settings, states and logs, where the platform keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def user_folder(kind: Literal["cache", "config", "log", "state"]) -> Path | None:
    """Return fer-tui's folder of a kind; None if the user has no home folder. The folder need not exist.

    A container's user without an entry in /etc/passwd has no home folder unless HOME is set. The XDG variables, such as
    XDG_CACHE_HOME, replace it.
    """
    import platformdirs

    try:
        folder = Path(getattr(platformdirs, f"user_{kind}_dir")("fer-tui"))
    except RuntimeError:
        return None
    # Without a home folder, platformdirs returns a path that starts with "~".
    return folder if folder.is_absolute() else None
