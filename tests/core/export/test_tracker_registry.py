"""Log runs to a real MLflow server and a real TensorBoard, and read them back through their own clients."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from trainings import FAST, StopAfter, resume_run, train_new_run

from core.config.training_config import TrainingConfig, resolve
from core.errors import RunError
from core.export.confusion_image import draw_confusion_matrix
from core.export.tracker_registry import TrackerList, log_run, open_tracker
from core.runs.names import MLFLOW, TENSORBOARD
from core.runs.predictions import parse_evaluation
from core.runs.reader import RunSnapshot, read_run
from core.runs.writer import create_run

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

DEADLINE = 120.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(arguments: list[str], address: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a server, and wait until it responds at its address."""
    with log.open("wb") as file:
        server = subprocess.Popen([sys.executable, "-m", *arguments], stdout=file, stderr=file)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError(f"{arguments[0]} did not answer:\n{log.read_text()}")


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server with SQLite on the loopback address."""
    place, port = tmp_path_factory.mktemp("mlflow"), free_port()
    address = f"http://127.0.0.1:{port}"
    where = ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--artifacts-destination", str(place / "files")]
    arguments = ["mlflow", "server", *where, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = serve(arguments, f"{address}/health", place / "log.txt")
    yield address
    server.terminate()
    server.wait()


@pytest.fixture
def client(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    return MlflowClient(mlflow_uri)


def run_id(run: RunSnapshot) -> str:
    return json.loads((run.path / MLFLOW).read_text())["run_id"]


def steps(client: Any, run: RunSnapshot, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id(run), f"epoch/{metric}")]


def points(run: RunSnapshot, name: str) -> list[tuple[int, Any]]:
    return [(int(row["epoch"]), pytest.approx(row[name], rel=1e-5)) for row in run.history]


@pytest.fixture(scope="module")
def both(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory, mlflow_uri: str) -> RunSnapshot:
    """A run that was stopped after an epoch and gone on with, logged to both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
        config = resolve({**FAST, "data": faces, "epochs": 3, "track": "both"})
        run = create_run(config, tmp_path_factory.mktemp("runs"))
        assert resume_run(run, config, StopAfter(run, 1)).state == "stopped"
        from mlflow import MlflowClient

        found = json.loads((run / MLFLOW).read_text())["run_id"]
        assert MlflowClient(mlflow_uri).get_run(found).info.status == "KILLED"
        done = resume_run(run, config)
        assert done.state == "completed", done.message
        assert run_id(done) == found
    return done


@pytest.fixture(scope="module")
def finished(faces: Path, tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was logged nowhere."""
    return train_new_run(resolve({**FAST, "data": faces}), tmp_path_factory.mktemp("finished")).path


@pytest.fixture
def unlogged(finished: Path, tmp_path: Path) -> RunSnapshot:
    """A copy of that run."""
    return read_run(shutil.copytree(finished, tmp_path / finished.name))


# MLflow


def test_mlflow_has_every_epoch_once(client: Any, both: RunSnapshot):
    for name in ("loss", "val_accuracy", "learning_rate", "images_per_second"):
        assert steps(client, both, name) == points(both, name)


def test_mlflow_has_settings_figures_and_files(client: Any, both: RunSnapshot):
    found = client.get_run(run_id(both))
    assert found.info.status == "FINISHED"
    assert found.info.run_name == both.name
    assert found.data.params["model"] == "tiny"
    assert found.data.params["learning_rate"] == str(both.config["learning_rate"])
    assert set(found.data.params) == {*both.config, "parameters"}
    assert both.evaluation is not None
    assert found.data.metrics["evaluation/macro_f1"] == pytest.approx(both.evaluation["macro_f1"])
    assert found.data.tags["fer_tui.state"] == "completed"
    assert found.data.tags["fer_tui.fingerprint"] == both.environment["fingerprint"]
    files = {item.path for item in client.list_artifacts(run_id(both))}
    assert {"config.json", "evaluation.json", "history.csv", "best.keras", "confusion_matrix.png"} <= files
    kept = Path(client.download_artifacts(run_id(both), "best.keras"))
    assert kept.read_bytes() == (both.path / "best.keras").read_bytes()


def test_logging_again_adds_nothing(client: Any, both: RunSnapshot):
    before = run_id(both)
    assert log_run(both.path, "mlflow").endswith(f"run {before}")
    assert steps(client, both, "loss") == points(both, "loss")
    assert client.get_run(before).info.status == "FINISHED"


def test_a_finished_run_is_logged_afterwards(client: Any, unlogged: RunSnapshot, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "faces of mine")
    run = unlogged
    assert not (run.path / MLFLOW).exists()
    log_run(run.path, "mlflow")
    assert steps(client, run, "val_loss") == points(run, "val_loss")
    experiment = client.get_experiment_by_name("faces of mine")
    assert client.get_run(run_id(run)).info.experiment_id == experiment.experiment_id
    # A run that MLflow no longer has is created again.
    client.delete_run(run_id(run))
    (run.path / MLFLOW).write_text(json.dumps({"tracking_uri": client.tracking_uri, "run_id": "0" * 32}))
    log_run(run.path, "mlflow")
    assert steps(client, run, "val_loss") == points(run, "val_loss")


def test_a_server_that_is_away_ends_no_run(
    settings: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    run = train_new_run(settings(track="mlflow"), tmp_path)
    assert run.state == "completed"
    said = (run.path / "log.txt").read_text()
    assert "the run continues without it: run 'fer-tui log " in said
    assert said.count("the run continues without it") == 1
    with pytest.raises(RunError, match="mlflow: "):
        log_run(run.path, "mlflow")


def test_a_tracker_that_fails_is_left_alone_from_then_on(
    write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    asked: list[str] = []

    class Failing:
        def log_epochs(self, run: RunSnapshot) -> None:
            asked.append(run.name)
            raise OSError("gone")

    monkeypatch.setattr("core.export.tracker_registry.open_tracker", lambda name, run: Failing())
    run = write_run()
    under_way = TrackerList("mlflow", run)
    under_way.log_epochs()
    under_way.log_epochs()
    under_way.log_end("completed")
    assert asked == [run.name]
    assert caplog.text.count("gone; the run continues without it") == 1


# TensorBoard


@pytest.fixture(scope="module")
def board(both: RunSnapshot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """A client of a TensorBoard that shows the folder of runs."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/data"
    arguments = ["tensorboard.main", "--logdir", str(both.path.parent), "--host", "127.0.0.1", "--port", str(port)]
    server = serve(
        [*arguments, "--load_fast", "false"], f"{address}/environment", tmp_path_factory.mktemp("tb") / "log"
    )

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"{address}/{path}", timeout=DEADLINE) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers["Content-Type"] else content

    name = f"{both.name}/{TENSORBOARD}"
    end = time.monotonic() + DEADLINE
    while name not in ask("plugin/graphs/info") and time.monotonic() < end:
        time.sleep(0.2)
    yield ask
    server.terminate()
    server.wait()


def test_tensorboard_has_every_epoch_once(board: Callable[[str], Any], both: RunSnapshot):
    name = f"{both.name}/{TENSORBOARD}"
    for metric in ("loss", "val_accuracy"):
        told = board(f"plugin/scalars/scalars?run={name}&tag=epoch/{metric}")
        assert [(step, value) for _, step, value in told] == points(both, metric)
    ((_, step, accuracy),) = board(f"plugin/scalars/scalars?run={name}&tag=evaluation/accuracy")
    assert both.evaluation is not None
    assert (step, accuracy) == (both.evaluation["epoch"], pytest.approx(both.evaluation["accuracy"], rel=1e-5))


def test_tensorboard_has_the_matrix_and_the_graph(board: Callable[[str], Any], both: RunSnapshot):
    name = f"{both.name}/{TENSORBOARD}"
    assert "confusion_matrix" in board("plugin/images/tags")[name]
    (picture,) = board(f"plugin/images/images?run={name}&tag=confusion_matrix&sample=0")
    with Image.open(BytesIO(board(f"plugin/images/individualImage?{picture['query']}"))) as shown:
        told = parse_evaluation(both.evaluation)
        assert told is not None
        assert shown.convert("RGB").tobytes() == draw_confusion_matrix(told.classes, told.matrix).tobytes()
    assert board("plugin/graphs/info")[name]["run_graph"]


def test_logging_anew_replaces_what_was_there(unlogged: RunSnapshot):
    run = unlogged
    for _ in range(2):
        assert log_run(run.path, "tensorboard").startswith(str(run.path / TENSORBOARD))
    assert len(list((run.path / TENSORBOARD).iterdir())) == 1


def test_event_files_are_not_written_through_a_link(write_run: Callable[..., Path], tmp_path: Path):
    run = write_run()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").touch()
    (run / TENSORBOARD).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link; remove it"):
        log_run(run, "tensorboard")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine"]


# Both


def test_a_run_under_way_is_left_to_the_process_that_trains_it(write_run: Callable[..., Path]):
    status = {"state": "running", "pid": os.getpid(), "host": socket.gethostname()}
    run = write_run(status={**status, "started": psutil.Process().create_time()})
    (run / TENSORBOARD).mkdir()
    (run / TENSORBOARD / "events").touch()
    with pytest.raises(RunError, match="is running; log it after it has ended"):
        log_run(run, "tensorboard")
    assert (run / TENSORBOARD / "events").exists()


def test_a_package_that_is_missing_is_named(write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.system.extras.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"mlflow is not installed; pip install 'fer-tui\[mlflow\]'"):
        open_tracker("mlflow", write_run())


def test_a_matrix_of_names_that_cannot_be_drawn():
    names = ["one\ntwo", "\x1b[31mred", "高兴"]
    picture = draw_confusion_matrix(names, [[5, 0, 0], [1, 2, 3], [0, 0, 0]])
    assert picture.size == (104 + 3 * 64,) * 2
    shown = ["one?two", "?[31mred", "高兴"]
    assert picture.tobytes() == draw_confusion_matrix(shown, [[5, 0, 0], [1, 2, 3], [0, 0, 0]]).tobytes()
    # A cell with its whole row is darkest. An empty cell is nearly white.
    corner = 104 + 4
    assert picture.getpixel((corner, corner)) == (8, 48, 107)
    assert picture.getpixel((corner + 64, corner)) == (247, 251, 255)
