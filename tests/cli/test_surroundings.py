"""Real processes in poor surroundings: closed streams, other encodings, no home, a umask, limits."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from installed import COMMAND, environment, fer, wait_until
from scenarios import SMALL

from core.runs.reader import list_runs, read_run

QUICK = (*SMALL, "--epochs", "1", "--batch-size", "16")
LATIN = os.fsdecode(b"\xe9tonn\xe9")


def call(
    *words: str | Path,
    cwd: Path,
    closed: Sequence[int] = (),
    env: dict[str, str] | None = None,
    before: Callable[[], object] = lambda: None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a new process with some of its standard streams closed; `before` is called there first."""

    def prepare() -> None:
        before()
        for number in closed:
            os.close(number)

    return subprocess.run(
        [COMMAND, *words],
        cwd=cwd,
        env=environment() if env is None else env,
        preexec_fn=prepare,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=["stdin", "stdout", "stderr", "all"])
def test_a_training_needs_no_streams(faces: Path, tmp_path: Path, closed: tuple[int, ...]) -> None:
    done = call("train", "--data", faces, *QUICK, cwd=tmp_path, closed=closed)
    assert done.returncode == 0
    (run,) = list_runs(tmp_path / "runs")
    assert (read_run(run).state, read_run(run).problem) == ("completed", "")
    # No file of the run took the place of a closed stream.
    assert json.loads((run / "config.json").read_text())["epochs"] == 1
    assert (run / "history.csv").read_text().count("\n") == 2
    if 1 not in closed:
        assert b"model2" in done.stdout


@pytest.fixture
def chinese(faces: Path, tmp_path: Path) -> Path:
    """The faces, two of whose classes have names beyond ASCII, one of them beyond the basic plane."""
    root = shutil.copytree(faces, tmp_path / "set")
    for split in ("train", "validation"):
        (root / split / "happy").rename(root / split / "高兴")
        (root / split / "sad").rename(root / split / "sad\N{CRYING FACE}")
    return root


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "utf-8"])
def test_names_that_stdout_cannot_encode_are_escaped(chinese: Path, tmp_path: Path, encoding: str) -> None:
    env = environment({"PYTHONIOENCODING": encoding})
    done = call("data", "check", chinese, cwd=tmp_path, env=env)
    assert done.returncode == 0
    shown = "高兴" if encoding == "utf-8" else r"\u9ad8\u5174"
    assert shown in done.stdout.decode(encoding)
    told = call("data", "check", chinese, "--json", cwd=tmp_path, env=env)
    assert told.returncode == 0
    assert {"高兴", "sad\N{CRYING FACE}"} <= json.loads(told.stdout.decode(encoding))["counts"]["train"].keys()


def test_the_c_locale_is_enough(chinese: Path, tmp_path: Path) -> None:
    env = {name: value for name, value in environment().items() if not name.startswith(("LC_", "LANG"))}
    done = call("data", "check", chinese, cwd=tmp_path, env={**env, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})
    assert done.returncode == 0


def test_a_class_that_is_not_utf8_is_trained_and_exported(faces: Path, tmp_path: Path) -> None:
    root = shutil.copytree(faces, tmp_path / "set")
    for split in ("train", "validation"):
        (root / split / "surprise").rename(root / split / LATIN)
    assert fer("train", "--data", root, *QUICK, cwd=tmp_path).status == 0
    (run,) = list_runs(tmp_path / "runs")
    table = pd.read_csv(run / "predictions.csv")
    assert r"p_\udce9tonn\udce9" in table.columns
    exported = fer("export", "latest", "m.keras", "--format", "keras", cwd=tmp_path)
    assert exported.status == 0, exported.err
    assert r"\udce9tonn\udce9" in (tmp_path / "m.keras.md").read_text("utf-8")
    evaluated = fer("evaluate", "latest", "--data", root, "--output", "e.csv", cwd=tmp_path)
    assert evaluated.status == 0, evaluated.err
    compared = fer("compare", "--output", "c.csv", cwd=tmp_path)
    assert compared.status == 0
    for name in ("e.csv", "c.csv"):
        (tmp_path / name).read_text("utf-8")


def modes(run: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in run.rglob("*") if path.is_file()}


def test_every_file_of_a_run_follows_the_umask(faces: Path, tmp_path: Path) -> None:
    group = os.getgid() + 1 if os.getuid() == 0 else os.getgid()
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, -1, group)
    shared.chmod(0o2775)
    words = ("--runs", shared / "runs", "--track", "tensorboard")
    done = call("train", "--data", faces, *QUICK, *words, cwd=tmp_path, before=lambda: os.umask(0o002))
    assert done.returncode == 0, done.stderr
    (run,) = list_runs(shared / "runs")
    assert modes(run) == {0o664}
    assert {path.stat().st_gid for path in run.rglob("*")} == {group}
    # A run of an older version, whose log and metrics the group may only read.
    for name in ("log.txt", "history.csv"):
        (run / name).chmod(0o644)
    resumed = call("resume", run, "--epochs", "2", cwd=tmp_path, before=lambda: os.umask(0o002))
    assert resumed.returncode == 0, resumed.stderr
    assert len(read_run(run).history) == 2


def test_a_private_umask_is_kept(faces: Path, tmp_path: Path) -> None:
    done = call("train", "--data", faces, *QUICK, cwd=tmp_path, before=lambda: os.umask(0o077))
    assert done.returncode == 0
    assert modes(list_runs(tmp_path / "runs")[0]) == {0o600}


def test_without_a_home_nothing_called_tilde_is_made(faces: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    tmp_path.chmod(0o777)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    env = {**kept, "LANG": "C.UTF-8", "TERM": "dumb"}

    def homeless(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(unshare), "--user", "--map-user=4242", str(COMMAND), *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    if unshare is None or subprocess.run([unshare, "--user", "--map-user=4242", "true"], check=False).returncode:
        pytest.skip("there are no user namespaces")
    told = homeless("settings")
    assert told.returncode == 0, told.stderr
    assert "set HOME" in told.stdout
    trained = homeless("train", "--data", faces, *QUICK)
    assert trained.returncode == 0, trained.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def limited(number: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(number, (value, resource.getrlimit(number)[1]))


def test_a_low_limit_of_memory_is_named_before_a_run_is_made(faces: Path, tmp_path: Path) -> None:
    before = limited(resource.RLIMIT_AS, 2_300_000 * 1024)
    done = call("train", "--data", faces, *QUICK, cwd=tmp_path, before=before)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("fer-tui: the limit of memory 'ulimit -v' is 2300000; TensorFlow needs at least")
    assert not (tmp_path / "runs").exists()


def test_a_limit_that_ends_the_training_is_named_and_the_next_model_is_tried(faces: Path, tmp_path: Path) -> None:
    words = ("--model", "model2", "--model", "compact", "--epochs", "100000", "--patience", "none")
    done = call("train", "--data", faces, *words, cwd=tmp_path, before=limited(resource.RLIMIT_CPU, 12))
    assert done.returncode == 1
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("fer-tui: ")]
    assert len(lines) == 2
    for line in lines:
        assert "its process was ended by SIGXCPU; log.txt has the rest; its CPU time is used up" in line


KILL = """
import os, sys
if any(word in sys.argv for word in ("train", "resume", "evaluate", "-m")):
    import importlib.abc

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "tensorflow":
                {action}

    sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def while_loading(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Returns the environment of commands that run some code when they import TensorFlow."""

    def make(action: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("site")
        (folder / "sitecustomize.py").write_text(KILL.format(action=action))
        places = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return environment({"PYTHONPATH": os.pathsep.join(places)})

    return make


@pytest.fixture
def completed(faces: Path, tmp_path: Path) -> Path:
    """A completed run."""
    assert fer("train", "--data", faces, *QUICK, cwd=tmp_path).status == 0
    return list_runs(tmp_path / "runs")[0]


def contents(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name != "log.txt"}


@pytest.mark.parametrize("action", ["os.abort()", "os.kill(os.getpid(), 9)"], ids=["SIGABRT", "SIGKILL"])
def test_what_ends_tensorflow_is_told(
    completed: Path,
    faces: Path,
    tmp_path: Path,
    while_loading: Callable[[str], dict[str, str]],
    action: str,
    request: pytest.FixtureRequest,
) -> None:
    name, before = request.node.callspec.id, contents(completed)
    env = while_loading(action)
    resumed = call("resume", completed, "--epochs", "2", cwd=tmp_path, env=env)
    assert resumed.returncode == 1
    (line,) = [line for line in resumed.stderr.decode().splitlines() if line.startswith("fer-tui: ")]
    assert f"its process was ended by {name}; log.txt has the rest" in line
    assert line.endswith("the run is as it was before")
    assert (read_run(completed).state, contents(completed)) == ("completed", before)

    trained = call("train", "--data", faces, *QUICK, "--model", "compact", cwd=tmp_path, env=env)
    assert trained.returncode == 1
    lines = [line for line in trained.stderr.decode().splitlines() if line.startswith("fer-tui: ")]
    assert len(lines) == 2
    for line in lines:
        assert f"interrupted; its process was ended by {name}; log.txt has the rest" in line

    evaluated = call("evaluate", completed, "--data", faces, cwd=tmp_path, env=env)
    assert evaluated.returncode == 128 + signal.Signals[name]
    (line,) = evaluated.stderr.decode().splitlines()
    assert f"its process was ended by {name}; " in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_process_that_hangs_while_tensorflow_loads(
    completed: Path, tmp_path: Path, while_loading: Callable[[str], dict[str, str]], number: signal.Signals
) -> None:
    before = contents(completed)
    # The C library's sleep, called without releasing Python's interpreter lock.
    env = while_loading("import ctypes; ctypes.PyDLL(None).sleep(600)")
    command = [COMMAND, "resume", completed, "--epochs", "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: read_run(completed).message == "loading TensorFlow", "TensorFlow loads", 60)
            process.send_signal(number)
            assert process.wait(60) == 128 + number
        finally:
            process.kill()
    assert (read_run(completed).state, contents(completed)) == ("completed", before)


def test_stop_says_which_process_gives_no_sign_of_life(completed: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        try:
            status = json.loads((completed / "status.json").read_text())
            silent = {"state": "running", "pid": process.pid, "birth": None, "started": None}
            silent |= {"heartbeat": time.time() - 180}
            (completed / "status.json").write_text(json.dumps(status | silent))
            stopped = fer("stop", completed, cwd=tmp_path)
            assert stopped.status == 1
            (line,) = stopped.lines
            assert f"no sign of life for 3 min from process {process.pid} on {status['host']}" in line
            assert f"no sign of life for 3 min from process {process.pid}" in fer("runs", cwd=tmp_path).out
        finally:
            process.kill()
