from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import training_config as configs
from core.config.command_line import train_command
from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig, allowed_values, read_toml, resolve
from core.data.augmentation import POLICIES
from core.data.encoding import ENCODINGS
from core.errors import ConfigError
from core.models.registry import MODELS, ModelSpec
from core.runs.history import METRICS

FIELDS = TrainingConfig.model_fields
ASKED = {"data": "faces", "model": "compact"}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model whose recipe differs from the defaults in every field that the tests of the layers use."""
    spec = ModelSpec(
        name="layered",
        title="",
        builder="",
        image_size=52,
        channels=3,
        parameters=1,
        macs=1,
        source="",
        recipe={"batch_size": 7, "learning_rate": 0.5, "dropout": 0.25},
        published_epoch=2,
    )
    monkeypatch.setitem(MODELS, spec.name, spec)
    return spec


def refusal(settings: dict[str, Any], source: str = "") -> str:
    with pytest.raises(ConfigError) as error:
        resolve(ASKED | settings, source=source)
    assert "\n" not in str(error.value)
    return str(error.value)


# Layers


def test_what_nobody_sets_has_its_default(model: ModelSpec):
    config = resolve({"data": "faces", "model": "layered"})
    set_elsewhere = {"data", "model", *model.defaults()}
    for name, field in FIELDS.items():
        if name not in set_elsewhere:
            assert getattr(config, name) == field.default, name


def test_every_layer_wins_over_the_one_before(model: ModelSpec):
    asked = {"data": "faces", "model": "layered"}
    assert FIELDS["batch_size"].default != 7
    recipe = resolve(asked)
    assert (recipe.batch_size, recipe.learning_rate, recipe.dropout) == (7, 0.5, 0.25)
    assert (recipe.image_size, recipe.channels) == (52, 3)
    protocol = resolve({**asked, "protocol": "published"})
    assert (protocol.batch_size, protocol.epochs, protocol.patience, protocol.keep) == (64, 2, 2, "last")
    assert protocol.learning_rate == 0.5, "the protocol leaves the rate to the recipe"
    said = resolve({**asked, "protocol": "published", "batch_size": 9, "epochs": 4, "learning_rate": 0.1})
    assert (said.batch_size, said.epochs, said.learning_rate, said.patience) == (9, 4, 0.1, 2)


def test_flags_win_over_the_file(tmp_path: Path):
    file = tmp_path / "settings.toml"
    file.write_text('data = "faces"\nmodel = "compact"\nepochs = 5\nseed = 6\n')
    config = resolve({**read_toml(file), "epochs": "8"})
    assert (config.epochs, config.seed, config.model) == (8, 6, "compact")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_model_resolves_under_every_protocol(name: str, protocol: str):
    config = resolve({"data": "faces", "model": name, "protocol": protocol})
    assert (config.model, config.protocol) == (name, protocol)
    assert (config.image_size, config.channels) == (MODELS[name].image_size, MODELS[name].channels)


def test_a_config_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        resolve(ASKED).epochs = 5


# Metadata of the fields


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_help_text_and_a_group(name: str):
    description, extra = FIELDS[name].description, FIELDS[name].json_schema_extra
    assert description
    assert description.endswith(".")
    assert "\n" not in description
    assert isinstance(extra, dict)
    assert extra["group"] in ("What", "Training", "Data", "Model", "Optimizer", "Device")


def test_fields_of_a_group_stand_together():
    groups = [field.json_schema_extra["group"] for field in FIELDS.values()]  # pyright: ignore
    changes = [group for group, before in zip(groups, [None, *groups[:-1]], strict=True) if group != before]
    assert len(changes) == len(set(changes))


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("augmentation", POLICIES),
        ("encoding", ENCODINGS),
        ("monitor", [*METRICS, *(f"val_{metric}" for metric in METRICS)]),
    ],
)
def test_choices_are_those_that_the_code_has(field: str, names: Any):
    assert allowed_values(field) == tuple(names)


def test_fields_without_fixed_values_have_no_choices():
    assert allowed_values("channels") == (1, 3)
    assert allowed_values("epochs") == allowed_values("data") == allowed_values("patience") == ()


# Errors: one line that names the field, or the file and the key


@pytest.mark.parametrize(
    ("key", "near"),
    [("epoch", "epochs"), ("learningrate", "learning_rate"), ("Seed", "seed"), ("batch-size", "batch_size")],
)
def test_an_unknown_key_is_told_with_the_nearest(key: str, near: str):
    assert refusal({key: 1}, "my.toml") == f"my.toml: unknown key '{key}'; did you mean '{near}'?"


def test_a_key_that_is_near_to_nothing_is_told_where_the_names_are():
    assert refusal({"zzzzz": 1}, "my.toml") == "my.toml: unknown key 'zzzzz'; see 'fer-tui train --help' for the names"


@pytest.mark.parametrize("missing", [None, ""])
def test_data_and_model_must_be_given(missing: str | None):
    assert refusal({"data": missing}) == "data: no data set given; name a folder of faces or a fer2013.csv"
    assert refusal({"model": missing}) == f"model: no model given; choose from {', '.join(MODELS)}"


def test_an_unknown_model_is_told_with_the_nearest_or_all():
    assert refusal({"model": "compcat"}) == "model: no model is called 'compcat'; did you mean 'compact'?"
    told = "my.toml: model: no model is called 'compcat'; did you mean 'compact'?"
    assert refusal({"model": "compcat"}, "my.toml") == told
    assert refusal({"model": "?"}) == f"model: no model is called '?'; choose from {', '.join(MODELS)}"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("epochs", 0, "input should be greater than or equal to 1 (got 0)"),
        ("epochs", "ten", "input should be a valid integer, unable to parse string as an integer (got 'ten')"),
        ("batch_size", 2.5, "input should be a valid integer, got a number with a fractional part (got 2.5)"),
        ("batch_size", 10**9, "input should be less than or equal to 65536 (got 1000000000)"),
        ("seed", -1, "input should be greater than or equal to 0 (got -1)"),
        ("image_size", 8, "input should be greater than or equal to 16 (got 8)"),
        ("channels", 2, "input should be 1 or 3 (got 2)"),
        ("channels", "three", "input should be 1 or 3 (got 'three')"),
        ("learning_rate", 0, "input should be greater than 0 (got 0)"),
        ("learning_rate", "nan", "input should be a finite number (got 'nan')"),
        ("learning_rate", float("inf"), "input should be a finite number (got inf)"),
        ("dropout", 1, "input should be less than 1 (got 1)"),
        ("validation_share", 1, "input should be less than 1 (got 1)"),
        ("protocol", "bad", "input should be 'sound' or 'published' (got 'bad')"),
        ("encoding", "Label", "input should be 'label' or 'frequency' (got 'Label')"),
        ("patience", -1, "input should be greater than or equal to 0 (got -1)"),
        ("limit", 0, "input should be greater than or equal to 1 (got 0)"),
        ("devices", "gpu", "must be auto, cpu, all or cpu:N (got 'gpu')"),
        ("devices", "cpu:0", "must be auto, cpu, all or cpu:N (got 'cpu:0')"),
        ("time_budget", "soon", "must be a duration such as 90s, 60m or 1h30m (got 'soon')"),
        ("time_budget", 0, "input should be greater than 0 (got 0)"),
        ("deterministic", "perhaps", "input should be a valid boolean, unable to interpret input (got 'perhaps')"),
        ("classes", "a", "'a' is not OLD=NEW; give pairs such as anger=angry,contempt= or 'synonyms' (got 'a')"),
        ("classes", "a=b,a=c", "class 'a' is renamed twice; give it one new name (got 'a=b,a=c')"),
        ("format", "", "must be auto or a format that 'fer-tui data formats' lists (got '')"),
        ("votes", "all", "input should be 'majority' or 'soft' (got 'all')"),
        ("data", 5, "input is not a valid path for <class 'pathlib.Path'> (got 5)"),
    ],
)
def test_a_bad_value_is_told_in_one_line(name: str, value: Any, told: str):
    assert refusal({name: value}) == f"{name}: {told}"
    assert refusal({name: value}, "my.toml") == f"my.toml: {name}: {told}"


def test_a_refusal_has_the_field_the_message_and_the_file():
    for settings in ({"epochs": 0}, {"model": "compcat"}, {"data": ""}):
        ((name, _),) = settings.items()
        with pytest.raises(ConfigError) as error:
            resolve(ASKED | settings)
        assert (error.value.field, error.value.source) == (name, "")
        assert name not in error.value.message.partition(" ")[0]
    with pytest.raises(ConfigError) as error:
        resolve(ASKED | {"epochs": 0}, source="my.toml")
    assert (error.value.field, error.value.source) == ("epochs", "my.toml")


def test_the_first_of_several_bad_values_is_told():
    assert refusal({"seed": -1, "epochs": 0}).startswith("epochs: ")


@pytest.mark.parametrize("value", [None, [], {}, "x\ny", "\x1b[31m", ["compact"], True])
@pytest.mark.parametrize("name", ["epochs", "model", "devices", "encoding", "protocol", "learning_rate"])
def test_any_value_gives_a_config_or_one_line(name: str, value: Any):
    try:
        assert isinstance(resolve(ASKED | {name: value}), TrainingConfig)
    except ConfigError as error:
        assert str(error).startswith(f"{name}: ")
        assert "\n" not in str(error).replace("x\ny", "")


# Durations and 'none'


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("60m", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1h30m15s", 5415),
        ("2h5s", 7205),
        (" 10M ", 600),
        ("0.5", 0.5),
        (90, 90),
        (1.5, 1.5),
    ],
)
def test_durations_are_seconds(text: Any, seconds: float):
    assert resolve(ASKED | {"time_budget": text}).time_budget == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "1d", "m30", "30m1h", "-5m", "1e3", "5 m", "1..5h", "1h 30m", "s"])
def test_what_is_no_duration_is_refused(text: str):
    assert refusal({"time_budget": text}).startswith("time_budget: must be a duration such as 90s, 60m or 1h30m")


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_every_duration_of_hours_minutes_and_seconds_is_read(hours: int, minutes: int, seconds: int):
    total = hours * 3600 + minutes * 60 + seconds
    text = f"{hours}h{minutes}m{seconds}s"
    if total:
        assert resolve(ASKED | {"time_budget": text}).time_budget == total
    else:
        assert refusal({"time_budget": text}).startswith("time_budget: input should be greater than 0")


OPTIONAL = {"time_budget", "patience", "limit", "weights", "dropout", "exclude", "relabel", "fold", "classes"}


@pytest.mark.parametrize("name", sorted(OPTIONAL))
@pytest.mark.parametrize("none", ["none", "None", " NONE ", None])
def test_none_means_nothing(name: str, none: str | None):
    assert getattr(resolve(ASKED | {name: none}), name) is None


@pytest.mark.parametrize("name", sorted(set(FIELDS) - OPTIONAL))
def test_none_means_nothing_special_elsewhere(name: str):
    if "none" in allowed_values(name):
        assert getattr(resolve(ASKED | {name: "none"}), name) == "none"
    elif name != "data":
        assert refusal({name: "none"}).startswith(f"{name}: ")


# Files


def test_a_config_comes_back_from_json_as_it_was():
    settings = {
        "data": "/a/é/[red]x",
        "model": "model2",
        "protocol": "published",
        "time_budget": "1h30m",
        "patience": "none",
        "learning_rate": 1 / 3,
        "epsilon": 1e-300,
        "seed": 2**31 - 1,
        "limit": 12,
        "deterministic": True,
    }
    config = resolve(settings)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config
    stored = config.model_dump(mode="json")
    assert stored.keys() == FIELDS.keys()
    assert TrainingConfig.model_validate(stored) == config


def test_flags_as_text_and_toml_values_give_the_same():
    values = {"epochs": 4, "width": 0.5, "learning_rate": 1e-5, "patience": 3, "limit": 9, "channels": 3, "seed": 0}
    said = {name: str(value) for name, value in values.items()}
    assert resolve(ASKED | values) == resolve(ASKED | said)


def test_a_toml_file_is_read_flat(tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text('# settings\nmodel = ["compact", "model2"]\nwidth = 0.5\ndeterministic = true\n')
    assert read_toml(file) == {"model": ["compact", "model2"], "width": 0.5, "deterministic": True}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_byte_order_mark_in_a_toml_file_is_ignored(tmp_path: Path, line_end: str):
    file = tmp_path / "a.toml"
    file.write_bytes(line_end.join(['\ufeffmodel = "compact"', "epochs = 3", ""]).encode())
    assert read_toml(file) == {"model": "compact", "epochs": 3}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory; name a TOML file"),
        (b"epochs = ", "not TOML: Invalid value (at end of document)"),
        (b"epochs: 5\n", "not TOML: "),
        (b"a = 1\na = 2\n", "not TOML: Cannot overwrite a value"),
        ("epochs = 1".encode("utf-16"), "the file is UTF-16, not UTF-8; save it again with the encoding UTF-8"),
        ("epochs = 1".encode("utf-16-le"), "the file is UTF-16, not UTF-8"),
        (b'epochs = 1\nmodel = "caf\xe9"\n', "line 2 is not UTF-8; save the file again with the encoding UTF-8"),
        ("model = “compact”".encode(), "not TOML: Invalid value (at line 1, column 9), near the character '“'; write"),
    ],
)
def test_a_file_that_is_no_toml_is_told_by_name(tmp_path: Path, content: bytes | None, told: str):
    file = tmp_path / "a.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_toml(file)
    assert str(error.value).startswith(f"config: {file}: {told}")
    assert "\n" not in str(error.value)


def test_a_folder_is_no_toml_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=f"config: {tmp_path}: Is a directory; name a TOML file"):
        read_toml(tmp_path)


# A config as a command line


def read_back(line: str) -> TrainingConfig:
    """Return the config that `fer-tui train` resolves from a command line."""
    program, command, *words = shlex.split(line)
    assert (program, command) == ("fer-tui", "train")
    settings: dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            flag = word.removeprefix("--").replace("-", "_")
            name = flag.removeprefix("no_")
            settings[name] = flag == name
        else:
            settings[name] = word
    return resolve(settings)


def test_a_command_line_has_only_what_is_not_usual():
    usual = resolve(ASKED | {"data": "/a folder/faces"})
    assert train_command(usual) == "fer-tui train --data '/a folder/faces' --model compact"
    published = resolve(ASKED | {"data": "/faces", "model": "model2", "protocol": "published", "learning_rate": 0.01})
    assert train_command(published) == (
        "fer-tui train --data /faces --model model2 --protocol published --learning-rate 0.01"
    )


@given(
    st.fixed_dictionaries(
        {"model": st.sampled_from(sorted(MODELS)), "protocol": st.sampled_from(["sound", "published"])},
        optional={
            "time_budget": st.none() | st.floats(1e-9, 1e20),
            "patience": st.none() | st.integers(0, 50),
            "dropout": st.none() | st.floats(0, 0.99),
            "l2": st.floats(0, 1),
            "learning_rate": st.floats(1e-9, 10),
            "channels": st.sampled_from([1, 3]),
            "batch_size": st.integers(1, 4096),
            "output_bias": st.sampled_from(["zero", "prior"]),
            "deterministic": st.booleans(),
            "data": st.sampled_from(["/it's here", "/$HOME", "/a b", "/-x"]),
        },
    )
)
def test_a_command_line_gives_the_config_again(settings: dict[str, Any]):
    if settings["model"] == "model1":
        # The recipe's pretrained weights fit only one input shape.
        settings = {"weights": "none"} | settings
    config = resolve(ASKED | settings)
    assert read_back(train_command(config)) == config


def test_several_configs_share_a_command_line_where_they_can():
    first, second = (
        resolve({"data": "/faces", "model": name, "learning_rate": 1e-4}) for name in ("compact", "model2")
    )
    line = train_command(first, second)
    assert line == "fer-tui train --data /faces --model compact --model model2 --learning-rate 0.0001"
    other = resolve({"data": "/faces", "model": "model2", "epochs": 5})
    assert train_command(first, other) == f"{train_command(first)}\n{train_command(other)}"


# Validation of a form


def test_faults_of_a_form_are_told_by_their_fields():
    found = configs.validation_errors(
        {"epochs": "0", "learning_rate": "fast", "time_budget": "1 parsec", "batch_size": "32"}
    )
    assert set(found) == {"epochs", "learning_rate", "time_budget"}
    assert found["epochs"] == "input should be greater than or equal to 1 (got '0')"
    assert "must be a duration" in found["time_budget"]


def test_faults_know_the_model():
    assert configs.validation_errors({"image_size": "16"}) == {}
    assert "or more" in configs.validation_errors({"image_size": "16", "model": "model1"})["image_size"]
    assert "did you mean 'compact'" in configs.validation_errors({"model": "compakt"})["model"]
