from __future__ import annotations

import pytest
from PIL import Image
from rich.cells import cell_len
from textual.app import App, ComposeResult

from core.runs.predictions import ClassReportRow, Prediction
from fer_tui.widgets.class_report import ClassReport
from fer_tui.widgets.confusion_matrix import ConfusionMatrix, fit_to_width, heading
from fer_tui.widgets.predicted_face import PredictedFace
from fer_tui.widgets.probability_bars import ProbabilityBars

MANY = tuple(f"class {number:02}" for number in range(20))


class Shown(App[None]):
    """An app with only the tested widgets."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[object] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"series-validation": "#E69F00"}

    def compose(self) -> ComposeResult:
        yield ConfusionMatrix(id="matrix")
        yield ClassReport(id="report")
        yield ProbabilityBars(id="bars")

    def on_confusion_matrix_cell_chosen(self, message: ConfusionMatrix.CellChosen) -> None:
        self.chosen.append(message.cell)


def lines(app: App[None], selector: str):
    region = app.screen.query_one(selector).region
    strips = app.screen._compositor.render_strips()
    return [strips[y].crop(region.x, region.right).text for y in range(region.y, region.bottom)]


@pytest.mark.parametrize(
    ("name", "room", "shown"), [("happy", 7, "happy  "), ("surprise", 5, "surp…"), ("高兴", 3, "高…")]
)
def test_a_name_fits(name: str, room: int, shown: str):
    assert fit_to_width(name, room) == shown
    assert cell_len(heading(name, room)) == room and heading(name, room).endswith(" ")


@pytest.mark.parametrize(
    ("label", "predicted", "room", "caption"),
    [
        ("sad", "fear", 16, "sad→fear 97%    "),
        ("surprise", "disgust", 16, "surp…→disgu… 97%"),
        ("sad", "disgusted", 16, "sad→disgust… 97%"),
        ("disgusted", "sad", 16, "disgust…→sad 97%"),
        ("sad", "sad", 10, "sad 97%   "),
    ],
)
def test_a_caption_keeps_both_classes_and_the_share(label: str, predicted: str, room: int, caption: str):
    face = PredictedFace(label, Image.new("L", (2, 2)), Prediction("x.png", label, predicted, 0.97))
    assert face.caption(room) == caption


async def test_seven_classes_fit_into_eighty_columns():
    classes = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.show(classes, tuple(tuple(1_825 if i == j else 0 for j in range(7)) for i in range(7)))
        await pilot.pause()
        shown = lines(app, "#matrix")
        assert len(shown) == 8 and shown[0].split() == ["true╲pred", *classes]
        assert shown[1].split() == ["angry", "1,825", *"······"]
        assert not matrix.show_horizontal_scrollbar and not matrix.show_vertical_scrollbar


async def test_counts_become_shares_of_the_true_class():
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.show(("a", "b"), ((1, 3), (0, 0)))
        matrix.set_normalized(True)
        await pilot.pause()
        text = "\n".join(lines(app, "#matrix"))
        assert "25%" in text and "75%" in text and text.count("·") == 2


async def test_many_classes_scroll_with_their_names_in_sight():
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.styles.max_height = 12
        matrix.show(MANY, tuple(tuple(i * 20 + j for j in range(20)) for i in range(20)))
        matrix.focus()
        await pilot.pause()
        assert matrix.show_horizontal_scrollbar and matrix.show_vertical_scrollbar
        assert "class 00" in lines(app, "#matrix")[1] and "class 19" not in "".join(lines(app, "#matrix"))
        matrix.choose((19, 19))
        await pilot.pause()
        shown = lines(app, "#matrix")
        assert "true╲pred" in shown[0] and any(line.startswith("class 19") and "[399]" in line for line in shown)
        matrix.choose((0, 0))
        await pilot.pause()
        shown = lines(app, "#matrix")
        assert shown[1].startswith("class 00") and "[" in shown[1].split()[2]


async def test_the_cursor_begins_on_the_commonest_mistake_and_stays_inside():
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.focus()
        await pilot.press("down")  # no effect: the matrix is empty
        matrix.show(("a", "b", "c"), ((5, 0, 0), (0, 5, 4), (1, 0, 5)))
        await pilot.press("left", "l", "k", "h", "j", "up", "up", "right", "down")
        assert app.chosen == [(1, 2), (0, 2), (0, 1), (1, 1), (0, 1), (0, 2), (1, 2)]


async def test_another_set_of_classes_has_no_cursor():
    app = Shown()
    async with app.run_test(size=(80, 24)):
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.show(("a", "b"), ((5, 1), (0, 5)))
        matrix.choose((1, 1))
        matrix.show(("a", "c"), ((5, 1), (0, 5)))
        assert matrix.cell is None


async def test_bars_are_as_long_as_their_figures_say():
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        report = app.screen.query_one(ClassReport)
        report.show([ClassReportRow("a", 1.0, 0.5, 0, 1_000)], frozenset("a"))
        app.screen.query_one(ProbabilityBars).show({"a": 0.5, "b": 0.25, "c": 0.0})
        await pilot.pause()
        line = lines(app, "#report")[1]
        _, name, *bars = line.split()
        assert name == "a" and line.startswith("▸") and line.rstrip().endswith("1,000")
        assert abs(len(bars[1]) - 2 * len(bars[3])) <= 1 < len(bars[3]) and bars[4:] == ["0.00", "1,000"]
        first, second, third = (line.split() for line in lines(app, "#bars"))
        assert first[:2] == ["a", "50.0%"] and len(first[2]) == 2 * len(second[2]) and third == ["c", "0.0%"]


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "nord"])
async def test_other_themes_show_the_numbers_too(theme: str):
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = theme
        app.screen.query_one(ConfusionMatrix).show(("a", "b"), ((5, 1), (0, 5)))
        await pilot.pause()
        assert any("5" in line for line in lines(app, "#matrix"))
