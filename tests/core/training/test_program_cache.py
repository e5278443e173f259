"""The cache of compiled programs: its folder, its flags, the programs it removes, and how TensorFlow uses it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from core.system import hardware
from core.system.processes import this_process
from core.training import program_cache
from core.training.program_cache import evict_programs, set_up_program_cache

NAME = "xla_compile_cache__{}__2__XLA_GPU_JIT.pb"
# A file in TensorFlow's format: key, program, compiled program.
WHOLE = b"\x0a\x03key" + b"\x12\xc8\x01" + b"h" * 200 + b"\x1a\x04code"
DIRECTORY = "--tf_xla_persistent_cache_directory"
DEVICES = "--tf_xla_persistent_cache_device_types"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make each test look like a process that has not imported TensorFlow or set up the cache."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    # Set the variable first, so that monkeypatch undoes changes by the tested code.
    for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    hardware._nvml.cache_clear()
    set_up_program_cache.cache_clear()
    yield
    hardware._nvml.cache_clear()
    set_up_program_cache.cache_clear()


@pytest.fixture
def root(isolated_home: Path) -> Path:
    return isolated_home / "cache" / "fer-tui" / "programs"


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add fake GPUs with these names and compute capability 9.0."""

    def put(*names: str, mig: int = pynvml.NVML_DEVICE_MIG_DISABLE) -> None:
        monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
        monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: "580.65.06")
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: names[index])
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCudaComputeCapability", lambda index: (9, 0))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetMigMode", lambda index: [mig, mig])
        hardware._nvml.cache_clear()

    put("NVIDIA H200/NVL", "NVIDIA H200/NVL")
    return put


def version(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    """Pretend that these versions of packages are installed."""

    def told(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", told)


def keep(*settings: str) -> program_cache.ProgramCache:
    """Set up the cache like a new process with the current flags."""
    set_up_program_cache.cache_clear()
    return set_up_program_cache(*settings)


def kept_folder(*settings: str) -> Path:
    cache = keep(*settings)
    assert cache.folder is not None, cache.reason
    os.environ["TF_XLA_FLAGS"] = ""
    return cache.folder


def write(path: Path, *, age: float = 0, content: bytes = WHOLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    used = time.time() - age
    os.utime(path, (used, used))
    return path


def test_the_flags_name_a_folder_of_this_user_for_this_gpu(root: Path, gpus: Callable[..., None]) -> None:
    cache = keep()
    assert cache.folder is not None and cache.reason == ""
    assert cache.folder.parent == root
    installed = importlib.metadata.version("tensorflow")
    assert cache.folder.name.startswith(f"{installed}-580.65.06-NVIDIA_H200_NVL-9.0-")
    assert [folder.stat().st_mode & 0o777 for folder in (root, cache.folder)] == [0o700, 0o700]
    assert os.environ["TF_XLA_FLAGS"] == f'{DIRECTORY}="{cache.folder}" {DEVICES}=GPU,XLA_GPU_JIT'
    assert set_up_program_cache() is cache


def test_a_folder_that_others_may_read_is_closed(gpus: Callable[..., None]) -> None:
    folder = kept_folder()
    folder.chmod(0o755)
    assert kept_folder().stat().st_mode & 0o777 == 0o700


def test_the_users_flags_stay_and_come_first(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    given = f"--tf_xla_clustering_debug=false {DEVICES}=XLA_CPU_JIT"
    monkeypatch.setenv("TF_XLA_FLAGS", given)
    assert os.environ["TF_XLA_FLAGS"] == given
    cache = keep()
    assert os.environ["TF_XLA_FLAGS"] == f'{given} {DIRECTORY}="{cache.folder}"'


@pytest.mark.parametrize("given", [f"{DIRECTORY}=/elsewhere", f"--tf_xla_auto_jit=2 {DIRECTORY}="])
def test_a_cache_of_the_users_own_is_left_alone(
    root: Path, gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("TF_XLA_FLAGS", given)
    assert keep() == program_cache.ProgramCache(None, "TF_XLA_FLAGS already sets a cache directory")
    assert os.environ["TF_XLA_FLAGS"] == given
    assert not root.exists()


def no_driver(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    hardware._nvml.cache_clear()


def imported(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace())


def untried(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    version(monkeypatch, {"tensorflow": "2.210.0"})


def not_installed(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    version(monkeypatch, {})


def the_fastest_first(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")


def divided(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    gpus("NVIDIA A100", mig=pynvml.NVML_DEVICE_MIG_ENABLE)


def a_file_of_flags(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    monkeypatch.setenv("TF_XLA_FLAGS", "/etc/flags")


def a_file_of_xla_flags(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    monkeypatch.setenv("XLA_FLAGS", "flags.txt")


def a_file_in_the_way(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    root.parent.mkdir(parents=True)
    root.write_text("")


def a_link_in_the_way(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    (root.parent / "elsewhere").mkdir(parents=True)
    root.symlink_to("elsewhere")


def a_full_disk(monkeypatch: pytest.MonkeyPatch, root: Path, gpus: Callable[..., None]) -> None:
    monkeypatch.setattr(program_cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (no_driver, "no GPU"),
        (imported, "TensorFlow is already imported"),
        (untried, "the cache was not tested with TensorFlow 2.210.0"),
        (not_installed, "TensorFlow is not installed"),
        (the_fastest_first, "CUDA's first GPU is unknown"),
        (divided, "the GPU is divided into partitions (MIG)"),
        (a_file_of_flags, "TF_XLA_FLAGS is the path of a file of flags"),
        (a_file_of_xla_flags, "XLA_FLAGS is the path of a file of flags"),
        (a_file_in_the_way, "{root}: File exists"),
        (a_link_in_the_way, "{root}: is a link or belongs to another user"),
        (a_full_disk, "the disk has less than 1024 MiB free"),
    ],
)
def test_nothing_is_kept_where(
    root: Path,
    gpus: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    situation: Callable[..., None],
    reason: str,
) -> None:
    situation(monkeypatch, root, gpus)
    before = dict(os.environ)
    cache = keep()
    assert cache.folder is None and cache.reason.endswith(reason.format(root=root))
    assert dict(os.environ) == before
    with cache.guard_first_call():
        pass  # does nothing and needs no folder


def test_what_a_folder_can_t_be_made_for_is_logged(
    root: Path, gpus: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    root.parent.mkdir(parents=True)
    root.write_text("")
    keep()
    assert f"compiled programs are not cached: {root}: File exists" in caplog.text


def test_the_folder_depends_on_all_that_a_program_does(
    gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    version(monkeypatch, {"tensorflow": "2.21.0", "nvidia-cudnn-cu12": "9.3"})
    seen = [kept_folder(), kept_folder("deterministic")]
    with monkeypatch.context() as changed:
        changed.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
        seen.append(kept_folder())
    with monkeypatch.context() as changed:
        changed.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
        seen.append(kept_folder())
    with monkeypatch.context() as changed:
        version(changed, {"tensorflow": "2.21.0", "nvidia-cudnn-cu12": "9.4"})
        seen.append(kept_folder())
    with monkeypatch.context() as changed:
        version(changed, {"tensorflow": "2.20.0", "nvidia-cudnn-cu12": "9.3"})
        seen.append(kept_folder())
    gpus("NVIDIA H100")
    seen.append(kept_folder())
    assert len(set(seen)) == len(seen)
    gpus("NVIDIA H100", "NVIDIA H200/NVL")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert kept_folder() == seen[0]


def test_a_child_chooses_anew(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    parents = keep()
    inherited = os.environ["TF_XLA_FLAGS"]
    assert keep().folder == parents.folder
    assert os.environ["TF_XLA_FLAGS"] == inherited
    own = keep("deterministic")
    assert own.folder != parents.folder
    assert os.environ["TF_XLA_FLAGS"] == inherited.replace(str(parents.folder), str(own.folder))
    a_full_disk(monkeypatch, Path(), gpus)
    assert keep().folder is None
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=2"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        WHOLE[:-1],
        WHOLE[:100],
        WHOLE[:5],
        WHOLE[:6] + b"\xff",
        WHOLE + b"\0",
        bytes(len(WHOLE)),
        b"garbage" * 100,
        WHOLE.replace(b"\x12\xc8", b"\x22\xc8"),
        WHOLE.replace(b"\x1a\x04code", b"\x1a\x00"),
    ],
)
def test_damaged_programs_are_removed(gpus: Callable[..., None], content: bytes) -> None:
    folder = kept_folder()
    whole = write(folder / NAME.format(1), age=1000)
    write(folder / NAME.format(3), content=content)
    others = [
        write(folder / "notes.pb", content=content),
        write(folder / (NAME.format(4) + "host1-2-3.tmp"), content=content),
    ]
    used = whole.stat().st_atime_ns
    assert kept_folder() == folder
    assert sorted(folder.iterdir()) == sorted([whole, *others])
    assert whole.stat().st_atime_ns == used


def test_the_longest_unused_programs_make_room(tmp_path: Path) -> None:
    old = write(tmp_path / "a" / NAME.format(1), age=4000)
    read = write(tmp_path / "b" / NAME.format(2), age=3000)
    os.utime(read, (time.time() - 1000, time.time() - 9000))  # written first, read last
    second = write(tmp_path / "b" / NAME.format(3), age=2000)
    fresh = write(tmp_path / "b" / NAME.format(4))
    unfinished = write(tmp_path / "b" / (NAME.format(5) + "host1-2-3.tmp"), age=5000)
    being_written = write(tmp_path / "b" / (NAME.format(6) + "host1-2-3.tmp"))
    outside = write(tmp_path.parent / f"{tmp_path.name}-outside" / NAME.format(7), age=9000)
    (tmp_path / "linked").symlink_to(outside.parent)
    (tmp_path / "b" / NAME.format(8)).symlink_to(outside)
    others = [
        write(tmp_path / "b" / "notes.txt", age=9000),
        write(tmp_path / NAME.format(9), age=9000),
        write(tmp_path / "b" / "deeper" / NAME.format(10), age=9000),
    ]
    evict_programs(tmp_path, 9 * len(WHOLE))
    assert old.exists() and not unfinished.exists()
    evict_programs(tmp_path, 4 * len(WHOLE))
    assert not old.parent.exists()
    assert all(path.exists() for path in (read, second, fresh, being_written, outside, *others))
    evict_programs(tmp_path, 3 * len(WHOLE))
    assert not second.exists() and read.exists()
    evict_programs(tmp_path, 0)
    assert not read.exists()
    assert all(path.exists() for path in (fresh, being_written, outside, *others))
    assert (tmp_path / "linked").is_symlink() and (tmp_path / "b" / NAME.format(8)).is_symlink()


def test_room_is_made_before_programs_are_kept(root: Path, gpus: Callable[..., None]) -> None:
    large = write(root / "other" / NAME.format(1))
    os.truncate(large, program_cache.MAX_CACHE_BYTES + 1)
    os.utime(large, (1.0, 1.0))
    kept_folder()
    assert not large.exists()


def test_a_program_that_vanishes_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        write(tmp_path / "a" / NAME.format(number), age=1000)
    pattern = program_cache._PROGRAM
    seen = []

    def fullmatch(name: str) -> Any:
        seen.append(name)
        if len(seen) == 1:
            (tmp_path / "a" / name).unlink()
        return pattern.fullmatch(name)

    monkeypatch.setattr(program_cache, "_PROGRAM", SimpleNamespace(fullmatch=fullmatch))
    evict_programs(tmp_path, 0)
    assert not (tmp_path / "a").exists()


def test_several_processes_make_room_at_once(tmp_path: Path) -> None:
    for number in range(300):
        write(tmp_path / f"{number % 7}" / NAME.format(number), age=1000 + number)
    errors: list[BaseException] = []

    def remove() -> None:
        try:
            evict_programs(tmp_path, 100 * len(WHOLE))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(int(path.name.split("__")[1]) for path in tmp_path.glob("*/*.pb")) == list(range(100))


def test_programs_stay_where_their_first_use_ends_well(gpus: Callable[..., None]) -> None:
    cache = keep()
    assert cache.folder is not None
    program = write(cache.folder / NAME.format(1))
    with cache.guard_first_call():
        [marker] = cache.folder.glob("*.trial")
        assert json.loads(marker.read_text())["pid"] == os.getpid()
        assert keep().folder == cache.folder  # another process starts meanwhile
    assert list(cache.folder.iterdir()) == [program]


def test_an_error_at_first_use_removes_the_programs(gpus: Callable[..., None]) -> None:
    cache = keep()
    assert cache.folder is not None
    write(cache.folder / NAME.format(1))
    with pytest.raises(ValueError, match="Serialized"), cache.guard_first_call():
        raise ValueError("Serialized HLO does not match.")
    assert list(cache.folder.iterdir()) == []


def test_a_stop_at_first_use_keeps_the_programs(gpus: Callable[..., None]) -> None:
    cache = keep()
    assert cache.folder is not None
    program = write(cache.folder / NAME.format(1))
    with pytest.raises(KeyboardInterrupt), cache.guard_first_call():
        raise KeyboardInterrupt
    assert list(cache.folder.iterdir()) == [program]


@pytest.mark.parametrize("left", ["dead", "damaged"])
def test_a_process_that_ended_at_first_use_has_the_next_remove_the_programs(
    gpus: Callable[..., None], left: str
) -> None:
    folder = kept_folder()
    write(folder / NAME.format(1))
    dead: dict[str, Any] = {**this_process(), "birth": "another", "started": 1.0}
    (folder / "00000000.trial").write_text(json.dumps(dead) if left == "dead" else "[")
    assert kept_folder() == folder
    assert list(folder.iterdir()) == []


# A process with a fake GPU. The user's flag makes TensorFlow cache programs for the CPU.
PROGRAM = f"""
import os, sys
import pynvml
pynvml.nvmlInit = lambda: None
pynvml.nvmlSystemGetDriverVersion = lambda: "580"
pynvml.nvmlDeviceGetHandleByIndex = pynvml.nvmlDeviceGetName = lambda index: "Card"
pynvml.nvmlDeviceGetCudaComputeCapability = lambda device: (9, 0)
pynvml.nvmlDeviceGetMigMode = lambda device: [0, 0]
os.environ["TF_XLA_FLAGS"] = "{DEVICES}=CPU"
from core.training.program_cache import with_stable_name, set_up_program_cache
cache = set_up_program_cache()
import tensorflow as tf
made_before = [tf.Variable(0.0) for _ in range(int(sys.argv[1]))]
@tf.function(jit_compile=True)
@with_stable_name
def step(x):
    for _ in tf.range(3):
        x = tf.sin(x) * 2.0
    with tf.init_scope():
        made_meanwhile = [tf.zeros([2]) for _ in made_before]
    return tf.reduce_sum(x)
@tf.function
def steps(x, count):
    total = 0.0
    for _ in tf.range(count):
        total += step(x)
    return total
with cache.guard_first_call(), tf.device("CPU"):
    print(cache.folder, float(steps(tf.zeros([8]) + 0.5, tf.constant(2))))
"""


def test_tensorflow_finds_the_programs_of_other_processes(isolated_home: Path) -> None:
    """Test two processes that use one program at once, one with extra tensors, and one with a damaged program."""
    program_text = isolated_home / "program.py"
    program_text.write_text(PROGRAM)
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(isolated_home / 'a "quoted" cache'),
        "PYTHONPATH": str(Path(program_cache.__file__).parents[2]),
    }

    def start(made_before: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(program_text), str(made_before)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def folder(process: subprocess.Popen[str]) -> Path:
        said, errors = process.communicate()
        assert process.returncode == 0, errors
        told, value = said.splitlines()[-1].rsplit(" ", 1)
        assert float(value) == pytest.approx(31.929762)
        return Path(told)

    first, second = start(0), start(0)
    kept = folder(first)
    assert folder(second) == kept
    [program] = kept.iterdir()
    compiled = program.stat()
    folder(start(5))
    assert [*kept.iterdir()] == [program]
    assert program.stat().st_mtime_ns == compiled.st_mtime_ns
    os.truncate(program, compiled.st_size // 2)
    folder(start(0))
    assert [*kept.iterdir()] == [program]
    assert program_cache._is_whole(program)
