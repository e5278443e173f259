"""Download the article's data set from Kaggle, with the extra package kagglehub."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

from core.errors import DatasetError, first_line
from core.system.extras import install_command

HANDLE = "samaneheslamifar/facial-emotion-expressions"


def download_article(directory: Path) -> Path:
    """Download the article's data set: 28,829 training and 7,066 validation faces.

    Args:
        directory: a new or empty folder.

    Returns:
        The folder for --data.

    Raises:
        DatasetError: kagglehub is not installed, the download fails, or the folder can't be used.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DatasetError(f"{directory}: is not an empty folder; name a new one")
    try:
        kagglehub = import_module("kagglehub")
    except ImportError:
        raise DatasetError(f"kagglehub is not installed; {install_command('kaggle')}, or download by hand") from None
    try:
        found = Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:
        reason = first_line(error)[:200]
        raise DatasetError(
            f"{HANDLE}: Kaggle can't be reached or refuses ({reason}); check the network and your Kaggle token, or "
            "download it by hand"
        ) from None
    try:
        shutil.copytree(found, directory, dirs_exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{directory}: {error.strerror or error}; name a folder that can be written") from None
    return directory
