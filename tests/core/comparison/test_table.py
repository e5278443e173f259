from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from core.comparison import table as comparison
from core.comparison import table_formats
from core.comparison.columns import BASELINES, COLUMNS, PUBLISHED_RUN, choose_columns, reading_columns
from core.comparison.table import Row, best_of_models, compare, models_in_order, run_row
from core.comparison.table_formats import cell, find_format, format_table
from core.errors import ConfigError
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import RunSnapshot, read_run

WriteRun = Callable[..., Path]

HEADER = (
    "model,protocol,encoding,augmentation,epochs,params,train_accuracy,val_accuracy,val_loss,"
    "val_balanced_accuracy,val_macro_f1,val_images,seconds,run,warnings,control,control_val_accuracy,"
    "whole_accuracy,whole_accuracy_low,whole_accuracy_high,macro_f1_low,macro_f1_high,leak_free_accuracy,"
    "seeds,val_accuracy_sd,val_macro_f1_sd"
)
COUNTS = {"train": {"a": 60, "b": 30, "c": 10}, "validation": {"a": 5, "b": 4, "c": 1}}
ENVIRONMENT = {"fingerprint": "f1", "counts": COUNTS, "parameters": 1234}
EVALUATION = {
    "accuracy": 0.625,
    "balanced_accuracy": 0.55,
    "macro_f1": 0.5,
    "val_images": 10,
    "warnings": [],
    "intervals": {"level": 0.95, "accuracy": [0.5, 0.75], "macro_f1": [0.375, 0.625]},
    "leak_free_accuracy": 0.5625,
}
FORMATS = ("csv", "markdown", "latex", "json")


def epoch(number: int, **figures: float) -> dict[str, float]:
    return {**dict.fromkeys(HISTORY_COLUMNS, math.nan), "epoch": number, "seconds": 1.25, **figures}


HISTORY = [
    epoch(1, accuracy=0.5, val_accuracy=0.4, val_loss=1.5),
    epoch(2, accuracy=0.7, val_accuracy=0.65, val_loss=1.0),
    epoch(3, accuracy=0.9, val_accuracy=0.6, val_loss=1.25),
]


@pytest.fixture
def snapshot(write_run: WriteRun) -> Callable[..., RunSnapshot]:
    def snapshot(name: str = "run-1", **files: Any) -> RunSnapshot:
        whole = {"environment": ENVIRONMENT, "evaluation": EVALUATION, "history": HISTORY}
        return read_run(write_run(name, **{**whole, **files}))

    return snapshot


Snapshot = Callable[..., RunSnapshot]


def row(**changed: Any) -> Row:
    return {**dict.fromkeys(COLUMNS), "warnings": [], "model": "compact", "run": "run-1", **changed}


def by_run(rows: list[Row]) -> dict[str, Row]:
    return {found["run"]: found for found in rows}


# The rows


def test_a_run_has_one_row_with_the_figures_of_its_kept_epoch(snapshot: Snapshot):
    assert compare([snapshot()], with_published=False)[0] == {
        "model": "compact",
        "protocol": "sound",
        "encoding": "label",
        "augmentation": "basic",
        "epochs": 3,
        "params": 1234,
        "train_accuracy": 0.7,
        "val_accuracy": 0.65,
        "val_loss": 1.0,
        "val_balanced_accuracy": 0.55,
        "val_macro_f1": 0.5,
        "val_images": 10,
        "seconds": 3.8,
        "run": "run-1",
        "warnings": [],
        "control": None,
        "control_val_accuracy": None,
        "whole_accuracy": 0.625,
        "whole_accuracy_low": 0.5,
        "whole_accuracy_high": 0.75,
        "macro_f1_low": 0.375,
        "macro_f1_high": 0.625,
        "leak_free_accuracy": 0.5625,
        "seeds": 1,
        "val_accuracy_sd": None,
        "val_macro_f1_sd": None,
    }


@pytest.mark.parametrize("intervals", [None, {}, {"accuracy": [0.5], "macro_f1": []}])
def test_a_run_without_intervals_has_none_in_the_table(snapshot: Snapshot, intervals: Any):
    found = run_row(snapshot(evaluation={"accuracy": 0.5, "intervals": intervals}))
    assert (found["whole_accuracy"], found["whole_accuracy_low"], found["macro_f1_high"]) == (0.5, None, None)


def test_under_the_published_protocol_the_last_epoch_counts(snapshot: Snapshot):
    run = snapshot(config={"protocol": "published", "keep": "last", "monitor": "accuracy"})
    assert compare([run])[0]["val_accuracy"] == 0.6


def test_runs_stand_in_the_order_given_before_baselines_before_the_article(snapshot: Snapshot):
    rows = compare([snapshot("b"), snapshot("c"), snapshot("a")])
    assert [found["run"] for found in rows] == ["b", "c", "a", "majority", "chance", *["published"] * 4]
    assert [found["model"] for found in rows[-4:]] == ["model1", "model2", "model3", "model4"]
    assert all(tuple(found) == tuple(COLUMNS) for found in rows)


def test_the_articles_rows_are_as_printed():
    figures = ("model", "epochs", "train_accuracy", "val_accuracy", "val_loss", "val_images")
    assert [tuple(found[c] for c in figures) for found in compare([])] == [
        ("model1", 2, 0.8317, 0.1428, 0.7835, 7040),
        ("model2", 3, 0.8189, 0.1428, 8.5437, 7040),
        ("model3", 2, 0.8093, 0.4972, 1.9119, 3520),
        ("model4", 3, 0.8038, 0.5017, 2.9106, 3520),
    ]


def test_the_article_can_be_left_out(snapshot: Snapshot):
    assert [found["run"] for found in compare([snapshot()], with_published=False)] == ["run-1", "majority", "chance"]
    assert compare([], with_published=False) == []


def test_a_run_stands_beside_its_control(snapshot: Snapshot):
    noise = [epoch(1, accuracy=0.5, val_accuracy=0.25, val_loss=2.0)]
    run = snapshot("2-real", config={"seed": 1, "control": "none", "devices": "auto", "image_memory": 2048})
    older = snapshot("1-noise", config={"seed": 1, "control": "noise", "devices": "auto"}, history=HISTORY)
    elsewhere = {"devices": "cpu", "image_memory": 0}
    control = snapshot("3-noise", config={"seed": 1, "control": "noise", **elsewhere}, history=noise)
    rows = by_run(compare([run, control, older]))
    assert (rows["2-real"]["control"], rows["2-real"]["control_val_accuracy"]) == (None, 0.25)
    assert (rows["3-noise"]["control"], rows["3-noise"]["val_accuracy"]) == ("noise", 0.25)
    assert rows["3-noise"]["control_val_accuracy"] is None, "a control has no control"
    assert compare([run])[0]["control_val_accuracy"] is None


@pytest.mark.parametrize("other", [{"config": {"seed": 2}}, {"config": {"epochs": 9}}, {"environment": {"counts": {}}}])
def test_a_control_of_other_settings_or_data_is_none_of_a_runs(snapshot: Snapshot, other: dict[str, Any]):
    run = snapshot("1-real", config={"seed": 1})
    control = snapshot("2-noise", **{**other, "config": {"seed": 1, "control": "noise", **other.get("config", {})}})
    assert compare([run, control])[0]["control_val_accuracy"] is None


def test_people_are_told_whose_a_row_is():
    assert table_formats.model_cell(row(control="noise")) == "compact (noise)"
    assert table_formats.model_cell(row(run="published")) == "compact (article)"
    assert table_formats.model_cell(row()) == "compact"
    assert cell("control_val_accuracy", 0.5) == "0.5000"


@pytest.mark.parametrize("state", ["stopped", "failed", "diverged", "interrupted"])
def test_a_run_that_is_not_complete_says_so(snapshot: Snapshot, state: str):
    evaluation = {**EVALUATION, "warnings": [{"code": "constant_answer", "message": "…"}]}
    run = snapshot(status={"state": state}, evaluation=evaluation)
    assert compare([run])[0]["warnings"] == ["constant_answer", state]


def test_a_run_that_has_not_begun_has_a_row_without_figures(snapshot: Snapshot):
    run = snapshot(environment=None, evaluation=None, history=())
    [found] = compare([run], with_published=False)
    figures = set(COLUMNS) - {"model", "protocol", "encoding", "augmentation", "run", "warnings"}
    assert {found[column] for column in figures} == {None}


def test_a_figure_that_is_no_number_is_not_known(snapshot: Snapshot):
    run = snapshot(history=[epoch(1, accuracy=math.nan, val_loss=math.inf, val_accuracy=0.5)])
    found = compare([run])[0]
    assert (found["train_accuracy"], found["val_loss"], found["val_accuracy"]) == (None, None, 0.5)


# Baselines


def test_baselines_are_those_computed_by_hand(snapshot: Snapshot):
    rows = by_run(compare([snapshot()], with_published=False))
    majority, chance = rows["majority"], rows["chance"]
    # Predicting only 'a' is correct for 60 of 100 and 5 of 10: recall 1, 0, 0, precision of a 1/2, F1 2/3, 0, 0.
    assert majority["model"] == "always 'a'"
    assert majority["train_accuracy"] == 0.6
    assert majority["val_accuracy"] == 0.5
    assert majority["val_balanced_accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert majority["val_macro_f1"] == pytest.approx(2 / 9, abs=1e-6)
    # Uniform random predictions have recall 1/3 each and precision 1/2, 2/5, 1/10. F1 = 2pr / (p + r).
    assert chance["model"] == "even guessing"
    assert chance["train_accuracy"] == chance["val_accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert chance["val_balanced_accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert chance["val_loss"] == pytest.approx(math.log(3), abs=1e-6)
    assert chance["val_macro_f1"] == pytest.approx((2 / 5 + 4 / 11 + 2 / 13) / 3, abs=1e-6)
    assert majority["val_images"] == chance["val_images"] == 10
    assert majority["warnings"] == chance["warnings"] == []


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize(
    "validation",
    [
        {"a": 5, "b": 4, "c": 1},
        {"a": 1825, "b": 111, "c": 7},
        {"a": 0, "b": 4, "c": 1},
        {"a": 3, "b": 0, "c": 2},
        {"c": 4},
    ],
)
def test_the_majority_row_is_what_scikit_learn_says(snapshot: Snapshot, validation: dict[str, int]):
    environment = {**ENVIRONMENT, "counts": {**COUNTS, "validation": validation}}
    majority = by_run(compare([snapshot(environment=environment)]))["majority"]
    truth = [name for name, count in validation.items() for _ in range(count)]
    always = ["a"] * len(truth)
    assert majority["val_accuracy"] == pytest.approx(accuracy_score(truth, always), abs=1e-6)
    assert majority["val_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, always), abs=1e-6)
    present = sorted(set(truth))
    f1 = f1_score(truth, always, labels=present, average="macro", zero_division=0)
    assert majority["val_macro_f1"] == pytest.approx(f1, abs=1e-6)


def test_a_class_without_training_images_is_no_output_and_not_counted(snapshot: Snapshot):
    counts = {"train": {"a": 6, "b": 3, "late": 0}, "validation": {"a": 2, "b": 2, "late": 6}}
    rows = by_run(compare([snapshot(environment={**ENVIRONMENT, "counts": counts})]))
    assert rows["majority"]["val_accuracy"] == 0.5
    assert rows["chance"]["val_accuracy"] == 0.5
    assert rows["chance"]["val_loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert rows["majority"]["val_images"] == 4


def test_the_majority_is_that_of_train_and_the_first_by_name_in_a_tie(snapshot: Snapshot):
    counts = {"train": {"b": 5, "c": 2, "a": 5}, "validation": {"a": 1, "b": 9}}
    majority = by_run(compare([snapshot(environment={**ENVIRONMENT, "counts": counts})]))["majority"]
    assert (majority["model"], majority["val_accuracy"]) == ("always 'a'", 0.1)


@pytest.mark.parametrize(
    "counts", [None, {}, {"train": {"a": 1}}, {"validation": {"a": 1}}, {"train": {}, "validation": {}}]
)
def test_without_counts_there_are_no_baselines(snapshot: Snapshot, counts: Any):
    rows = compare([snapshot(environment={**ENVIRONMENT, "counts": counts})], with_published=False)
    assert [found["run"] for found in rows] == ["run-1"]


# Different data


def test_runs_on_the_same_data_share_their_baselines_and_have_no_flag(snapshot: Snapshot):
    rows = compare([snapshot("one"), snapshot("two")], with_published=False)
    assert [found["run"] for found in rows] == ["one", "two", "majority", "chance"]
    assert [found["warnings"] for found in rows] == [[], [], [], []]


def test_runs_on_different_data_are_flagged_and_have_baselines_each(snapshot: Snapshot):
    evaluation = {**EVALUATION, "warnings": [{"code": "partial_validation", "message": "…"}]}
    other = {**ENVIRONMENT, "fingerprint": "f2", "counts": {**COUNTS, "validation": {"a": 9, "b": 1}}}
    rows = compare([snapshot("one"), snapshot("two", environment=other, evaluation=evaluation), snapshot("three")])
    assert [found["run"] for found in rows[:7]] == [
        "one",
        "two",
        "three",
        "majority",
        "chance",
        "majority",
        "chance",
    ]
    assert [found["warnings"] for found in rows[:3]] == [
        ["different_data"],
        ["partial_validation", "different_data"],
        ["different_data"],
    ]
    assert [found["warnings"] for found in rows[3:7]] == [["data of one"]] * 2 + [["data of two"]] * 2
    assert [found["val_accuracy"] for found in rows[3:7:2]] == [0.5, 0.9]
    assert all(found["warnings"] == [] for found in rows[7:])


def test_a_run_that_has_not_begun_is_on_no_data(snapshot: Snapshot):
    rows = compare([snapshot("one"), snapshot("two", environment=None)], with_published=False)
    assert all("different_data" not in found["warnings"] for found in rows)


# CSV


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_header_is_that_of_the_design_to_the_letter(snapshot: Snapshot):
    assert format_table([], "csv") == HEADER + "\n"
    assert format_table(compare([snapshot()]), "csv").splitlines()[0] == HEADER


def test_an_evaluation_of_before_the_run_went_on_is_left_out(snapshot: Snapshot):
    kept = int((snapshot("first").kept_epoch() or {})["epoch"])
    epochs = (kept, kept - 1)
    now, before = (run_row(snapshot(f"of-{epoch}", evaluation={**EVALUATION, "epoch": epoch})) for epoch in epochs)
    assert now["val_macro_f1"] is not None
    assert before["val_macro_f1"] is before["val_balanced_accuracy"] is None
    assert before["val_accuracy"] == now["val_accuracy"]


def test_a_csv_row_to_the_letter(snapshot: Snapshot):
    evaluation = {**EVALUATION, "warnings": [{"code": "one"}, {"code": "two"}]}
    text = format_table(compare([snapshot(evaluation=evaluation)]), "csv")
    assert text.splitlines()[1] == (
        "compact,sound,label,basic,3,1234,0.7,0.65,1.0,0.55,0.5,10,3.8,run-1,one;two,,,0.625,0.5,0.75,0.375,0.625,0.5625,1,,"
    )
    assert text.splitlines()[-4] == "model1,published,,,2,,0.8317,0.1428,0.7835,,,7040,,published,,,,,,,,,,,,"
    assert text.endswith("\n")
    assert "\r" not in text


def test_the_articles_rows_are_the_last_of_the_csv(snapshot: Snapshot):
    assert [found["run"] for found in parsed(format_table(compare([snapshot()]), "csv"))][-5:] == [
        "chance",
        *["published"] * 4,
    ]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x";"y")'])
@pytest.mark.parametrize("column", ["model", "protocol", "run", "warnings"])
def test_what_a_spreadsheet_would_run_is_made_harmless(formula: str, column: str):
    [found] = parsed(format_table([row(**{column: [formula, "b"] if column == "warnings" else formula})], "csv"))
    shown = formula.replace("\r", " ")
    assert found[column] == f"'{shown}" + (";b" if column == "warnings" else "")


def test_numbers_stay_numbers_in_the_csv():
    [found] = parsed(format_table([row(val_loss=-0.5, epochs=0, seconds=None)], "csv"))
    assert (found["val_loss"], found["epochs"], found["seconds"]) == ("-0.5", "0", "")


AWKWARD = ["a,b", 'quo"te', "line\nbreak", "[red]x", "高兴", "\x1b[31m", "a|b", "back\\slash", "a&b_c%$#{}~^"]


@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_comes_back_from_csv_and_json(name: str):
    assert parsed(format_table([row(model=name)], "csv"))[0]["model"] == name
    assert json.loads(format_table([row(model=name)], "json"))[0]["model"] == name


def test_a_carriage_return_in_a_name_ends_no_row():
    assert parsed(format_table([row(model="a\rb"), row()], "csv"))[0]["model"] == "a b"


# JSON


def test_json_is_strict_and_has_every_column(snapshot: Snapshot):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = json.loads(format_table(compare([snapshot()]), "json"), parse_constant=refuse)
    assert [tuple(found) for found in rows] == [tuple(COLUMNS)] * 7
    assert rows[0]["warnings"] == []
    assert rows[-1]["params"] is None
    [found] = json.loads(format_table([row(val_loss=math.nan, val_macro_f1=math.inf)], "json"), parse_constant=refuse)
    assert (found["val_loss"], found["val_macro_f1"]) == (None, None)


# Markdown


def split_markdown(line: str) -> list[str]:
    """Split a table's row like GitHub: at every bar without a backslash before it."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    return [found.strip() for found in re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])]


@pytest.mark.parametrize("name", [*AWKWARD, "|", "\\|", "\\", "a\r\nb"])
def test_a_markdown_table_is_whole_whatever_the_names(name: str):
    lines = format_table([row(model=name, run=name), row()], "markdown", COLUMNS).split("\n")
    assert len(lines) == 5
    assert lines[-1] == ""
    assert split_markdown(lines[0]) == list(COLUMNS)
    assert all(re.fullmatch("---|--:", found) for found in split_markdown(lines[1]))
    cells = split_markdown(lines[2])
    assert len(cells) == len(COLUMNS)
    shown = re.sub(r"\\(.)", r"\1", cells[0])
    assert shown == re.sub(r"[\r\n]", " ", name)


@pytest.mark.parametrize(("name", "shown"), [("<b>", r"\<b>"), ("*a*", r"\*a\*"), ("`a`", r"\`a\`"), ("a_b", "a_b")])
def test_markdown_shows_a_name_and_does_not_render_it(name: str, shown: str):
    assert split_markdown(format_table([row(model=name)], "markdown", COLUMNS).splitlines()[2])[0] == shown


def test_markdown_aligns_numbers_right(snapshot: Snapshot):
    lines = format_table(compare([snapshot()]), "markdown", COLUMNS).splitlines()
    alignment = dict(zip(COLUMNS, split_markdown(lines[1]), strict=True))
    assert alignment["val_accuracy"] == alignment["params"] == "--:"
    assert alignment["model"] == alignment["run"] == alignment["warnings"] == "---"
    assert split_markdown(lines[2])[5:8] == ["1,234", "0.7000", "0.6500"]


# LaTeX


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a&b", r"a\&b"),
        ("100%", r"100\%"),
        ("$x$", r"\$x\$"),
        ("#1", r"\#1"),
        ("a_b", r"a\_b"),
        ("{a}", r"\{a\}"),
        ("a\\b", r"a\textbackslash{}b"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("[red]x", "{[}red]x"),
        ("a\nb", "a b"),
    ],
)
def test_latex_shows_a_name_and_does_not_obey_it(name: str, shown: str):
    text = format_table([row(model=name)], "latex", COLUMNS)
    [line] = [line for line in text.splitlines() if "run-1" in line]
    assert line.startswith(f"{shown} & ")
    assert line.count(" & ") == len(COLUMNS) - 1
    assert line.endswith(r" \\")


def test_latex_is_a_whole_booktabs_table(snapshot: Snapshot):
    lines = format_table(compare([snapshot()]), "latex", COLUMNS).splitlines()
    assert lines[0] == r"\begin{tabular}{llllrrrrrrrrrlllrrrrrrrrrr}"
    assert lines[1] == r"\toprule"
    assert lines[2] == HEADER.replace("_", " ").replace(",", " & ") + r" \\"
    assert lines[3] == r"\midrule"
    assert [line.count(" & ") for line in lines[4:-2]] == [len(COLUMNS) - 1] * 7
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


# Columns

NARROW = ["model", "epochs", "train_accuracy", "val_accuracy", "val_loss", "val_macro_f1", "warnings"]


def test_markdown_and_latex_have_the_columns_that_people_read(snapshot: Snapshot):
    rows = compare([snapshot()])
    markdown = format_table(rows, "markdown").splitlines()
    assert split_markdown(markdown[0]) == NARROW
    assert split_markdown(markdown[-1])[0] == "model4 (article)", "no other column says where the row comes from"
    latex = format_table(rows, "latex").splitlines()
    assert latex[0] == r"\begin{tabular}{lrrrrrl}"
    assert latex[2] == " & ".join(NARROW).replace("_", " ") + r" \\"


def test_columns_of_seeds_and_controls_are_shown_if_a_row_has_them():
    assert list(reading_columns([row(seeds=1)])) == NARROW
    assert list(reading_columns([row(seeds=1), row(seeds=3, val_accuracy_sd=0.1)]))[:2] == ["model", "seeds"]
    shown = list(reading_columns([row(control_val_accuracy=0.2)]))
    assert shown[3:5] == ["val_accuracy", "control_val_accuracy"]
    assert len(reading_columns([row()], wide=True)) == 16


@pytest.mark.parametrize("form", FORMATS)
def test_chosen_columns_are_written_in_their_order(form: str):
    columns = choose_columns("val_loss, model")
    text = format_table([row(val_loss=0.5, model="vgg")], form, columns)
    expected = {
        "csv": "val_loss,model\n0.5,vgg\n",
        "markdown": "| val_loss | model |\n| --: | --- |\n| 0.5000 | vgg |\n",
        "latex": "\\begin{tabular}{rl}\n\\toprule\nval loss & model \\\\\n\\midrule\n0.5000 & vgg \\\\\n"
        "\\bottomrule\n\\end{tabular}\n",
        "json": '[\n  {\n    "val_loss": 0.5,\n    "model": "vgg"\n  }\n]\n',
    }
    assert text == expected[form]


def test_all_columns_have_a_heading_of_their_own():
    assert choose_columns("all") == COLUMNS
    assert len({column.heading for column in COLUMNS.values()}) == len(COLUMNS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model,val_acuracy", "unknown column 'val_acuracy'; did you mean 'val_accuracy'?"),
        ("Model", "unknown column 'Model'; did you mean 'model'?"),
        ("", "unknown column ''; choose from all, model, protocol, "),
        ("model,", "unknown column ''; choose from all, model, "),
        ("all,model", "unknown column 'all'; "),
        ("model,run,model", "'model' is given twice; remove one of them"),
    ],
)
def test_columns_that_cannot_be_chosen_are_told(text: str, told: str):
    with pytest.raises(ConfigError) as error:
        choose_columns(text)
    assert str(error.value).startswith(f"columns: {told}")


# Formats


@pytest.mark.parametrize(
    ("name", "chosen", "found"),
    [
        ("a.csv", "csv", "csv"),
        ("a.JSON", "json", "json"),
        ("a.txt", "latex", "latex"),
        ("/dev/stdout", "markdown", "markdown"),
    ],
)
def test_a_chosen_format_agrees_with_the_ending(name: str, chosen: str, found: str):
    assert find_format(Path(name), chosen) == found


@pytest.mark.parametrize(
    ("name", "chosen", "told"),
    [
        ("a.json", "csv", "a.json: the ending stands for json, but the format is csv; use the ending .csv"),
        ("a.xlsx", "csv", "a.xlsx: the ending must be one of .csv, .md, .tex, .json"),
        ("a.xlsx", None, "a.xlsx: the ending must be one of .csv, .md, .tex, .json"),
        ("a.txt", None, "a.txt: the ending must be one of .csv, .md, .tex, .json"),
    ],
)
def test_an_ending_that_says_something_else_is_refused(name: str, chosen: str | None, told: str):
    with pytest.raises(ConfigError) as error:
        find_format(Path(name), chosen)
    assert str(error.value) == f"target: {told}"


# Cells for reading


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_ends_its_last_line(form: str):
    assert format_table([row()], form).endswith("\n")


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("val_accuracy", 0.14285714, "0.1429"),
        ("val_accuracy", None, ""),
        ("val_loss", 12.0, "12.0000"),
        ("seconds", 3661.4, "3,661"),
        ("params", 1234567, "1,234,567"),
        ("epochs", 3, "3"),
        ("warnings", ["a", "b"], "a; b"),
        ("warnings", [], ""),
        ("run", "20260101", "20260101"),
    ],
)
def test_cells_are_shown_for_people(column: str, value: Any, shown: str):
    assert cell(column, value) == shown


def test_baselines_are_marked_by_their_run():
    assert (BASELINES, comparison.PUBLISHED_RUN) == (("majority", "chance"), "published")


# By model


def test_the_best_run_of_a_model_is_that_with_the_highest_validation_accuracy():
    first, best, other, unknown = (
        row(run="1", val_accuracy=0.5),
        row(run="2", val_accuracy=0.7),
        row(run="3", val_accuracy=0.6),
        row(run="4", model="model2"),
    )
    assert best_of_models([first, best, other, unknown]) == {"compact": best}


def test_the_first_of_equal_runs_is_the_best():
    first, second = row(run="1", val_accuracy=0.5), row(run="2", val_accuracy=0.5)
    assert best_of_models([first, second])["compact"] is first


def test_the_articles_models_come_in_its_order_and_then_the_others_by_name():
    models = ("vgg", "model3", "compact", "model1")
    rows = [*(row(model=name) for name in models), row(model="always 'a'", run="majority")]
    assert models_in_order([*rows, row(model="model2", run=PUBLISHED_RUN)]) == [
        *("model1", "model2", "model3"),
        *("compact", "vgg"),
    ]
