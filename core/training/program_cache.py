"""A disk cache of the programs that XLA compiles for a GPU: TensorFlow's persistent cache, set up and guarded.

The notes below describe TensorFlow 2.20 and 2.21. They come from tests on the CPU, which uses the same code to write
and read files, and from the source (tensorflow/compiler/jit: device_executable_persistor.h, device_compiler.h,
xla_platform_info.cc; xla/parse_flags_from_env.cc):

- A file name contains the program and the name of the compiled function. The function name ends in a count of all
  functions and tensors made before. A resumed run first reads a checkpoint, so its count differs, and it would compile
  again. `with_stable_name` prevents this.
- The file name lacks the GPU, driver, libraries, `XLA_FLAGS` and determinism, which the program depends on. The folder
  name includes them (see `set_up_program_cache`).
- TensorFlow writes a file under a temporary name and renames it, so that several processes can write one program.
- A file that can't be read or written ends the run with an error. Damaged machine code crashes the process with a
  segmentation fault. `_is_whole`, the check of free space and `ProgramCache.guard_first_call` prevent this.
- An unknown flag also ends the process, so that only `TESTED_VERSIONS` use the cache. If a flag appears twice, the last
  value applies.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from core.system import files
from core.system.folders import user_folder
from core.system.hardware import GpuKind, first_gpu
from core.system.processes import is_alive, this_process

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")

# TensorFlow versions whose flags and files were tested.
TESTED_VERSIONS = ("2.20", "2.21")
# The maximum size of all folders together, and the minimum free space on the disk, in bytes.
MAX_CACHE_BYTES = 1024 * files.MIB
# Programs used in the last IN_USE seconds are not removed, because TensorFlow may still read them.
IN_USE = 600.0

_VARIABLE = "TF_XLA_FLAGS"
_DIRECTORY = "--tf_xla_persistent_cache_directory"
_DEVICES = "--tf_xla_persistent_cache_device_types"
# XLA's local client checks the device type GPU, a PjRt client checks XLA_GPU_JIT.
_GPUS = "GPU,XLA_GPU_JIT"
# Prefixes of environment variables that affect the compiled program or the libraries that it uses.
_KEY_VARIABLES = (
    "XLA_",
    "TF_CUDNN",
    "TF_CUBLAS",
    "TF_DETERMINISTIC",
    "NVIDIA_TF32",
    "CUDNN_",
    "CUBLAS",
    "LD_LIBRARY_PATH",
)
# PREFIX__SIGNATURE__PROGRAM__DEVICE.pb, or its temporary name while TensorFlow writes it.
_PROGRAM = re.compile(r".+__\d+__\d+__\w+\.pb(?P<unfinished>.*\.tmp)?")
# The tags of a file's fields: key, program before XLA's passes, compiled program. A field is a tag, a length and bytes.
_FIELDS = (b"\x0a", b"\x12", b"\x1a")


@dataclass(frozen=True)
class ProgramCache:
    """The result of `set_up_program_cache`.

    Attributes:
        folder: the folder of cached programs; None if programs are not cached.
        reason: why programs are not cached; empty if they are.
    """

    folder: Path | None
    reason: str = ""

    @contextlib.contextmanager
    def guard_first_call(self) -> Iterator[None]:
        """Guard the first call of a compiled function, which compiles its program or loads it from the folder.

        If the call raises an error, this removes all cached programs, because one of them may be the cause. If the call
        crashes the process, the next process's `set_up_program_cache` removes them. After an error, calling the same
        compiled function again raises the same error; create a new `tf.function` to compile it again.
        """
        if self.folder is None:
            yield
            return
        marker = self.folder / f"{uuid.uuid4().hex[:8]}.trial"
        with contextlib.suppress(OSError):
            files.write_json(marker, {**this_process(), "heartbeat": time.time()})
        try:
            yield
        except Exception:
            logger.info("%s: removed all cached programs, because one of them may have caused the error", self.folder)
            _remove(_programs(self.folder))
            raise
        finally:
            with contextlib.suppress(OSError):
                marker.unlink(missing_ok=True)


NO_PROGRAM_CACHE = ProgramCache(None)


def with_stable_name(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap a function for `tf.function(..., jit_compile=True)`, so that other processes find its cached program.

    TensorFlow appends its count of functions and tensors to the names of a function and of the loops inside. The
    wrapper raises the count to a multiple of 100,000 at the start and at the end of tracing, in at most 30 ms each.
    Two processes get the same name if they trace the same number of wrapped functions, with fewer than 100,000 tensors
    in between. Therefore trace these functions at the start of a run, in a fixed order, after creating all variables.
    """
    import tensorflow as tf

    even_count = tf.autograph.experimental.do_not_convert(_even_count)

    @functools.wraps(function)
    def traced(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        even_count()
        results = function(*args, **kwargs)
        even_count()
        return results

    return traced


def _even_count() -> None:
    from tensorflow.python.framework import ops

    ops.uid()  # the first value is 0, which is also a multiple
    while ops.uid() % 100_000:
        pass


@functools.cache
def set_up_program_cache(*settings: str) -> ProgramCache:
    """Set up TensorFlow's cache of the programs that XLA compiles for GPUs.

    Call this after `set_up_tensorflow` and before TensorFlow is imported. It adds flags to `TF_XLA_FLAGS` for this
    process and its children. It changes nothing if there is no GPU, if the user's flags name a cache, or if the cache
    can't be used; the result's `reason` says why. A second call returns the result of the first.

    The folder is in the user's cache directory. Its name depends on TensorFlow's version, the driver's version, the
    GPU's name and compute capability, the versions of NVIDIA's libraries, the variables in `_KEY_VARIABLES`, the
    user's flags and `settings`. Damaged programs in the folder are removed, and so are the least recently used programs
    of all such folders.

    Args:
        settings: other settings that programs depend on, such as "deterministic".
    """
    if "tensorflow" in sys.modules:
        return ProgramCache(None, "TensorFlow is already imported")
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        return ProgramCache(None, "TensorFlow is not installed")
    if not any(version == tested or version.startswith(f"{tested}.") for tested in TESTED_VERSIONS):
        return ProgramCache(None, f"the cache was not tested with TensorFlow {version}")
    kind = first_gpu()
    if kind is None:
        return ProgramCache(None, "no GPU")
    if os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        return ProgramCache(None, "CUDA_DEVICE_ORDER is not PCI_BUS_ID, so CUDA's first GPU is unknown")
    if kind.is_divided:
        return ProgramCache(None, "the GPU is divided into partitions (MIG)")
    root = _root()
    if root is None:
        return ProgramCache(None, "there is no home folder; set HOME")
    given = _remove_own_flags(root)
    for variable, flags in ((_VARIABLE, given), ("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))):
        if flags.strip() and not flags.lstrip().startswith("-"):
            return ProgramCache(None, f"{variable} is the path of a file of flags")
    if _DIRECTORY in given:
        return ProgramCache(None, f"{_VARIABLE} already sets a cache directory")
    folder = root / _folder_name(version, kind, given, settings)
    try:
        _make(root)
        _make(folder)
        _check_writable(folder)
        _remove_untrusted(folder)
        evict_programs(root)
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        logger.warning("compiled programs are not cached: %s", reason)
        return ProgramCache(None, reason)
    added = [f"{_DIRECTORY}={_quoted(folder)}"]
    if _DEVICES not in given:
        added.append(f"{_DEVICES}={_GPUS}")
    os.environ[_VARIABLE] = " ".join(filter(None, (given.strip(), *added)))
    return ProgramCache(folder)


def evict_programs(root: Path, limit: int = MAX_CACHE_BYTES) -> None:
    """Remove the least recently used programs of all folders, so that at most `limit` bytes remain.

    Other processes may use, write and remove programs at the same time. Programs used in the last ten minutes and all
    other files are kept. Links are not followed.

    Args:
        root: the parent folder of the program folders.
        limit: the maximum size in bytes.

    Raises:
        OSError: the folder can't be read.
    """
    now = time.time()
    with os.scandir(root) as entries:
        folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    found = [program for folder in folders for program in _programs(folder)]
    excess = sum(program.size for program in found) - limit
    removed = []
    for program in sorted(found, key=lambda program: program.used):
        if now - program.used > IN_USE and (excess > 0 or program.is_unfinished):
            removed.append(program)
            excess -= program.size
    _remove(removed)
    for folder in {program.path.parent for program in removed}:
        with contextlib.suppress(OSError):  # the folder is not empty, or another process removed it
            folder.rmdir()


class _Program(NamedTuple):
    """A file of TensorFlow's cache, with its size in bytes and the time of its last use in seconds since 1970."""

    path: Path
    size: int
    used: float
    is_unfinished: bool


def _root() -> Path | None:
    """Return the parent folder of the program folders; None without a home folder."""
    folder = user_folder("cache")
    return None if folder is None else folder / "programs"


def _remove_own_flags(root: Path) -> str:
    """Remove the flags that a parent process of this program appended; return the user's flags."""
    flags = os.environ.get(_VARIABLE, "")
    ours = _quoted(root).removesuffix('"') + os.sep
    given, added, _ = flags.partition(f"{_DIRECTORY}={ours}")
    if added:
        given = given.rstrip()
        os.environ[_VARIABLE] = given
    return given


def _quoted(path: Path) -> str:
    """Quote a path for XLA's flag parser."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _folder_name(version: str, kind: GpuKind, given: str, settings: tuple[str, ...]) -> str:
    major, minor = kind.capability
    words = (version, kind.driver, kind.name, f"{major}.{minor}", _digest(given, settings))
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", word) for word in words)


def _digest(given: str, settings: tuple[str, ...]) -> str:
    """Return an eight-character hash of the settings that the folder name does not spell out."""
    key = {name: value for name, value in os.environ.items() if name.startswith(_KEY_VARIABLES)}
    key[_VARIABLE] = given
    for requirement in importlib.metadata.requires("tensorflow") or ():
        if name := re.match(r"nvidia-[\w-]+", requirement):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                key[name[0]] = importlib.metadata.version(name[0])
    text = json.dumps([sorted(key.items()), sorted(settings)])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _make(folder: Path) -> None:
    """Create a folder that only this user can access.

    Raises:
        OSError: the folder can't be created, belongs to another user, or its path is a link or a file.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(None, "is a link or belongs to another user", str(folder))
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _check_writable(folder: Path) -> None:
    """Check that TensorFlow can write programs: it fails if it can't.

    Raises:
        OSError: the folder is not writable, or the disk has too little free space.
    """
    with tempfile.TemporaryFile(dir=folder):
        pass
    if shutil.disk_usage(folder).free < MAX_CACHE_BYTES:
        raise OSError(None, f"the disk has less than {MAX_CACHE_BYTES // files.MIB} MiB free", str(folder))


def _remove_untrusted(folder: Path) -> None:
    """Remove damaged programs, or all programs if a process died inside `ProgramCache.guard_first_call`."""
    for marker in folder.glob("*.trial"):
        try:
            owner = json.loads(files.read_bytes(marker))
            is_over = not is_alive(owner)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, AttributeError):
            is_over = True
        if is_over:
            logger.info("%s: removed all cached programs, because a process died during its first use of some", folder)
            _remove(_programs(folder))
            marker.unlink(missing_ok=True)
    _remove(program for program in _programs(folder) if not program.is_unfinished and not _is_whole(program.path))


def _programs(folder: Path) -> list[_Program]:
    """Return the programs in a folder; skip other files, and files that another process removes meanwhile."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            name = _PROGRAM.fullmatch(entry.name)
            if name is None or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                used = max(status.st_atime, status.st_mtime)
                found.append(_Program(Path(entry.path), status.st_size, used, name["unfinished"] is not None))
    return found


def _remove(programs: Iterable[_Program]) -> None:
    for program in programs:
        with contextlib.suppress(OSError):
            program.path.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Return whether a file has exactly the three fields of a program. Their content is not checked."""
    # O_NOATIME keeps the time of the last use.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_NOATIME", 0))
    except FileNotFoundError:
        return True
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        for tag in _FIELDS:
            if file.read(1) != tag:
                return False
            length = _read_length(file)
            if not 0 < length <= size - file.tell():
                return False
            file.seek(length, io.SEEK_CUR)
        return file.tell() == size


def _read_length(file: io.BufferedReader) -> int:
    """Read a protocol buffer varint: seven bits per byte, lowest first; 0 if the file ends early."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            return 0
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return 0
