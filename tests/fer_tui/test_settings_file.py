from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.training_config import TrainingConfig
from core.errors import ConfigError
from fer_tui import cli
from fer_tui.keymap import actions
from fer_tui.settings_file import example, load_settings
from fer_tui.user_settings import FIELDS, UserSettings

BAD = {
    'thme = "x"': ("unknown key 'thme'", "did you mean 'theme'?"),
    'theme = "fer-drk"': ("theme: unknown theme 'fer-drk'", "did you mean 'fer-dark'?"),
    "mouse = 3": ("mouse: ", "(got 3)", "fer-tui settings --example"),
    'runs = "~nobody-of-that-name/runs"': ("runs: ", "home folder of an unknown user"),
    "train = 3": ("train: ", "(got 3)"),
    "[train]\nepochs = 0": ("[train]: epochs: ", "(got 0)"),
    "[train]\nepoch = 1": ("[train]: unknown key 'epoch'", "did you mean 'epochs'?"),
    '[train]\nmodel = ["compact", "nope"]': ("[train]: model: ", "'nope'", "compact"),
    '[train]\ndata = "x"': ("[train]: 'data' is chosen on the screens",),
    '[presets.quick]\nmodel = "compact"': ("[presets.quick]: 'model' is chosen on the screens", "remove it"),
    '[keys]\nruns.stpo = "x"': ("[keys]: unknown action 'runs.stpo'", "did you mean 'runs.stop'?"),
    '[keys]\nruns.stop = ""': ("[keys]: runs.stop: unknown key ''",),
    '[keys]\nruns.stop = "ctrl+shfit+x"': ("unknown key 'ctrl+shfit+x'", "ctrl+s"),
    '[keys]\nruns.stop = "enter"': ("runs.stop: 'enter' moves the cursor",),
    '[keys]\nruns.stop = "s"': ("'s' is bound to both runs.stop and runs.smooth", "change one of them"),
    '[keys]\nruns.stop = "3"': ("'3' is bound to both runs.stop and app.runs",),
    '[keys]\ncompare.sort = "k"': ("'k' is bound to both compare.sort and comparison.up",),
    "theme = ": ("not TOML", "fer-tui settings --example"),
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that writes the settings file named by $FER_TUI_CONFIG."""

    def written(text: str) -> Path:
        path = tmp_path / "my settings.toml"
        path.write_text(text)
        monkeypatch.setenv("FER_TUI_CONFIG", str(path))
        return path

    return written


def test_without_a_file_the_defaults_stand():
    assert load_settings() == UserSettings()


def test_a_byte_order_mark_is_ignored(write: Callable[[str], Path]):
    write('\ufefftheme = "nord"\n')
    assert load_settings().theme == "nord"


def test_another_encoding_is_told_by_name(write: Callable[[str], Path]):
    write("").write_bytes('theme = "nord"'.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"the file is UTF-16, not UTF-8; save it again with the encoding UTF-8"):
        load_settings()


def test_the_file_in_the_users_folder_is_read(isolated_home: Path):
    path = isolated_home / "config" / "fer-tui" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('theme = "nord"\nruns = "~/runs"\n[presets.quick]\nepochs = 3')
    settings = load_settings()
    assert settings.theme == "nord" and settings.runs == Path("~/runs").expanduser()
    assert settings.presets == {"quick": {"epochs": 3}}


def test_a_file_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_TUI_CONFIG", str(tmp_path / "no.toml"))
    with pytest.raises(ConfigError, match=r"\$FER_TUI_CONFIG: .*no\.toml: No such file.*name a TOML file"):
        load_settings()


@pytest.mark.parametrize("text", BAD, ids=lambda text: text.replace("\n", " "))
def test_what_is_wrong_is_one_line_with_file_key_and_remedy(
    write: Callable[[str], Path], text: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    path = write(text)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    for word in BAD[text]:
        assert word in message
    assert cli.main(["settings"]) == 2


@pytest.mark.parametrize(
    "keys",
    ['runs.stop = "s"\nruns.smooth = "x"', 'compare.sort = "space"', 'app.help = "f1,f2"', 'runs.stop = "x,S"'],
)
def test_keys_may_change_places_and_be_used_on_other_screens(write: Callable[[str], Path], keys: str):
    write(f"[keys]\n{keys}")
    assert load_settings().keys


def test_the_example_is_all_comments_and_names_everything(write: Callable[[str], Path]):
    text = example()
    assert all(not line or line.startswith("#") for line in text.splitlines())
    write(text)
    assert load_settings() == UserSettings()
    for name, field in FIELDS.items():
        assert f"# {field.metadata['description']}" in text and re.search(rf"(?m)^#\[?{name}\b", text)
    assert all(f"\n#{name} = " in text for name in actions())


def test_the_example_without_its_marks_is_a_file_with_the_defaults(write: Callable[[str], Path]):
    write(re.sub(r"(?m)^#(?=\S)", "", example()))
    settings = load_settings()
    assert settings.theme == "fer-dark" and settings.mouse is True
    assert settings.keys.keys() == actions().keys()
    fields = TrainingConfig.model_fields.items()
    defaults = {name: "none" if field.default is None else field.default for name, field in fields}
    assert settings.train == {name: defaults[name] for name, field in fields if not field.is_required()}


def test_the_documented_file_is_one(write: Callable[[str], Path]):
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    write(blocks[0])
    settings = load_settings()
    assert settings.theme and settings.keys and settings.train and settings.presets


def test_the_command_shows_what_is_in_force(write: Callable[[str], Path], capsys: pytest.CaptureFixture[str]):
    path = write('theme = "fer-light"\n[keys]\nruns.stop = "ctrl+s"')
    assert cli.main(["settings", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(path) and told["exists"]
    assert told["settings"]["theme"] == "fer-light" and told["settings"]["keys"] == {"runs.stop": "ctrl+s"}
    assert cli.main(["settings"]) == 0
    shown = capsys.readouterr().out
    assert str(path) in shown and "fer-light" in shown and "runs.stop = ctrl+s" in shown
    assert cli.main(["settings", "--example"]) == 0
    assert capsys.readouterr().out == example()


def test_a_folder_of_runs_in_the_settings_counts_for_the_commands(
    write: Callable[[str], Path],
    write_run: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.delenv("FER_TUI_RUNS", raising=False)
    run = write_run()
    write(f"runs = {json.dumps(str(run.parent))}")
    assert cli.main(["runs", "--json"]) == 0
    assert [one["run"] for one in json.loads(capsys.readouterr().out)] == [run.name]
    monkeypatch.setenv("FER_TUI_RUNS", str(tmp_path / "none"))
    assert cli.main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_theme_that_is_none_is_refused(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(ConfigError, match=r"^theme: unknown theme 'fer-lite'; did you mean 'fer-light'\?"):
        from fer_tui.launch import run_app

        run_app(theme="fer-lite")
