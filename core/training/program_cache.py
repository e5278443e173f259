"""Programs that XLA compiled for a GPU, kept on disk between runs: TensorFlow's persistent cache, set up and guarded.

What TensorFlow 2.20 and 2.21 do was tried on the CPU, for which the code that writes and reads files is the same, and
read from the source (tensorflow/compiler/jit: device_executable_persistor.h, device_compiler.h, xla_platform_info.cc;
xla/parse_flags_from_env.cc):

- A file's name says the program and the name of the compiled function. That ends in a count of all functions and
  tensors made before: a resumed run, which reads a checkpoint first, compiles anew. Hence `with_stable_name`.
- The file's name says neither GPU, driver, libraries, `XLA_FLAGS` nor determinism, though the program depends on them.
  The folder's name does: see `set_up_program_cache`.
- Files are written under a temporary name and renamed: processes may want one program at once.
- A file that can't be read, and one that can't be written, ends the run with an error. Damaged machine code ends the
  process (a segmentation fault). Hence `_is_whole`, the limit of free space, and `ProgramCache.guard_first_call`.
- An unknown flag ends the process too, hence `TESTED_VERSIONS`. Of two flags of one name the last counts.
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
from core.system.hardware import GpuKind, first_gpu
from core.system.processes import is_alive, this_process

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Versions of TensorFlow whose flags and files were tried.
TESTED_VERSIONS = ("2.20", "2.21")
# So much all folders may hold together, and so much must be free on the disk, bytes.
MAX_CACHE_BYTES = 1024 * files.MIB
# A file that was made or read in the last seconds is not removed to make room: TensorFlow may be about to read it.
IN_USE = 600.0

_VARIABLE = "TF_XLA_FLAGS"
_DIRECTORY = "--tf_xla_persistent_cache_directory"
_DEVICES = "--tf_xla_persistent_cache_device_types"
# The device's own type counts for XLA's local client, the compiler's for a PjRt client.
_GPUS = "GPU,XLA_GPU_JIT"
# Variables that change what is compiled, or the libraries that a program is compiled for.
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
# PREFIX__SIGNATURE__PROGRAM__DEVICE.pb, and what it is called while it is written.
_PROGRAM = re.compile(r".+__\d+__\d+__\w+\.pb(?P<unfinished>.*\.tmp)?")
# A file's fields: its key, the program before XLA's passes, the compiled program. Each is a tag, a length and bytes.
_FIELDS = (b"\x0a", b"\x12", b"\x1a")


@dataclass(frozen=True)
class ProgramCache:
    """What `set_up_program_cache` did.

    Attributes:
        folder: where compiled programs are kept; None where they are not.
        reason: why they are not, for people; empty where they are.
    """

    folder: Path | None
    reason: str = ""

    @contextlib.contextmanager
    def guard_first_call(self) -> Iterator[None]:
        """Call a compiled function for the first time inside: it is compiled, or loaded from the folder.

        Where that fails, or ends the process, a kept program may be why. They are all removed then: at once where an
        error is raised, else by the next process's `set_up_program_cache`. In this process the
        same compiled function gives the same error again; a new `tf.function` is compiled anew.
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
            logger.info("%s: the kept programs are removed, one of them may be why this failed", self.folder)
            _remove(_programs(self.folder))
            raise
        finally:
            with contextlib.suppress(OSError):
                marker.unlink(missing_ok=True)


NO_PROGRAM_CACHE = ProgramCache(None)


def with_stable_name(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function for `tf.function(..., jit_compile=True)` whose kept program other processes find.

    TensorFlow ends the name with its count of functions and tensors, and names loops inside likewise: this brings the
    count to a multiple of 100,000 where tracing begins, and where it ends, in at most 30 ms each. So the name is that
    of a process that has traced as many such functions before, with fewer than 100,000 tensors between: trace them
    when the run begins, in a fixed order, with all variables made.
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

    ops.uid()  # the first one is 0, a multiple too
    while ops.uid() % 100_000:
        pass


@functools.cache
def set_up_program_cache(*settings: str) -> ProgramCache:
    """Have TensorFlow keep the programs that XLA compiles for GPUs; after `set_up_tensorflow`, before it is imported.

    Adds flags to `TF_XLA_FLAGS`, for this process and those that it starts. Nothing changes where there is no GPU,
    where the user's flags name a cache, or where the result's `reason` says why it can't be done. A second call tells
    what the first did.

    The folder is one of the user's cache. It depends on TensorFlow's version, the driver's, the GPU's name and compute
    capability, the versions of NVIDIA's libraries, the variables `_COUNTED`, the user's flags and `settings`. Damaged
    programs are removed from it, and the longest unused ones from all such folders.

    Args:
        settings: what else programs depend on, such as "deterministic" where operations must give the same bits.
    """
    if "tensorflow" in sys.modules:
        return ProgramCache(None, "TensorFlow is imported already")
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        return ProgramCache(None, "TensorFlow is not installed")
    if not any(version == tried or version.startswith(f"{tried}.") for tried in TESTED_VERSIONS):
        return ProgramCache(None, f"TensorFlow {version} was not tried with it")
    kind = first_gpu()
    if kind is None:
        return ProgramCache(None, "no GPU")
    if os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        return ProgramCache(None, "CUDA_DEVICE_ORDER is not PCI_BUS_ID, so that CUDA's first GPU is not known")
    if kind.is_divided:
        return ProgramCache(None, "the GPU is divided into partitions (MIG)")
    root = _root()
    given = _remove_own_flags(root)
    for variable, flags in ((_VARIABLE, given), ("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))):
        if flags.strip() and not flags.lstrip().startswith("-"):
            return ProgramCache(None, f"{variable} names a file of flags")
    if _DIRECTORY in given:
        return ProgramCache(None, f"{_VARIABLE} names a cache of the user's own")
    folder = root / _folder_name(version, kind, given, settings)
    try:
        _make(root)
        _make(folder)
        _check_writable(folder)
        _remove_untrusted(folder)
        evict_programs(root)
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        logger.warning("compiled programs are not kept: %s", reason)
        return ProgramCache(None, reason)
    added = [f"{_DIRECTORY}={_quoted(folder)}"]
    if _DEVICES not in given:
        added.append(f"{_DEVICES}={_GPUS}")
    os.environ[_VARIABLE] = " ".join(filter(None, (given.strip(), *added)))
    return ProgramCache(folder)


def evict_programs(root: Path, limit: int = MAX_CACHE_BYTES) -> None:
    """Remove the longest unused programs of all folders, so that at most `limit` bytes stay.

    Other processes may use, write and remove them meanwhile. What was used in the last ten minutes stays, whatever
    its size, and so does all that is no program. Links are not followed.

    Args:
        root: the folder of the folders.
        limit: bytes.

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
        with contextlib.suppress(OSError):  # the others' folder is not empty, or gone
            folder.rmdir()


class _Program(NamedTuple):
    """A file of TensorFlow's cache: size in bytes, `used` in seconds since 1970."""

    path: Path
    size: int
    used: float
    is_unfinished: bool


def _root() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("fer-tui") / "programs"


def _remove_own_flags(root: Path) -> str:
    """Take back the flags that a process above this one has added, at the end; the user's own stay, and are told."""
    flags = os.environ.get(_VARIABLE, "")
    ours = _quoted(root).removesuffix('"') + os.sep
    given, added, _ = flags.partition(f"{_DIRECTORY}={ours}")
    if added:
        given = given.rstrip()
        os.environ[_VARIABLE] = given
    return given


def _quoted(path: Path) -> str:
    """A path as XLA's parser of flags reads it, whatever characters it has."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _folder_name(version: str, kind: GpuKind, given: str, settings: tuple[str, ...]) -> str:
    major, minor = kind.capability
    words = (version, kind.driver, kind.name, f"{major}.{minor}", _digest(given, settings))
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", word) for word in words)


def _digest(given: str, settings: tuple[str, ...]) -> str:
    """Eight characters of what the folder depends on beside what its name says in words."""
    told = {name: value for name, value in os.environ.items() if name.startswith(_KEY_VARIABLES)}
    told[_VARIABLE] = given
    for requirement in importlib.metadata.requires("tensorflow") or ():
        if name := re.match(r"nvidia-[\w-]+", requirement):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                told[name[0]] = importlib.metadata.version(name[0])
    text = json.dumps([sorted(told.items()), sorted(settings)])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _make(folder: Path) -> None:
    """Make a folder that is this user's alone.

    Raises:
        OSError: it can't be made; something else, or somebody else's, is in its place.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(None, "is a link, or another user's", str(folder))
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _check_writable(folder: Path) -> None:
    """TensorFlow fails where it can't write what it has compiled.

    Raises:
        OSError: the folder can't be written, or the disk is nearly full.
    """
    with tempfile.TemporaryFile(dir=folder):
        pass
    if shutil.disk_usage(folder).free < MAX_CACHE_BYTES:
        raise OSError(None, f"less than {MAX_CACHE_BYTES // files.MIB} MiB are free", str(folder))


def _remove_untrusted(folder: Path) -> None:
    """Remove damaged programs; all of them where a process that first used some ended in it, see `guard_first_call`."""
    for marker in folder.glob("*.trial"):
        try:
            owner = json.loads(files.read_bytes(marker))
            is_over = not is_alive(owner)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, AttributeError):
            is_over = True
        if is_over:
            logger.info("%s: the kept programs are removed, a process ended while it first used some", folder)
            _remove(_programs(folder))
            marker.unlink(missing_ok=True)
    _remove(program for program in _programs(folder) if not program.is_unfinished and not _is_whole(program.path))


def _programs(folder: Path) -> list[_Program]:
    """The programs in a folder; other files, and what vanishes meanwhile, are left out."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            name = _PROGRAM.fullmatch(entry.name)
            if name is None or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):
                told = entry.stat(follow_symlinks=False)
                used = max(told.st_atime, told.st_mtime)
                found.append(_Program(Path(entry.path), told.st_size, used, name["unfinished"] is not None))
    return found


def _remove(programs: Iterable[_Program]) -> None:
    for program in programs:
        with contextlib.suppress(OSError):
            program.path.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Whether a file has the three fields of a kept program, to its last byte; what is in them is not read."""
    # The time of the last use stays what it is.
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
    """A number in protocol buffers' form: seven bits a byte, the lowest first; 0 where it is cut short."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            return 0
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return 0
