from __future__ import annotations

import pytest

from fer_tui.themes import SERIES
from fer_tui.widgets.metric_plot import downsample, legend_names, smoothed
from fer_tui.widgets.overlay import RUN_MARKERS, OverlaidRun, assign_slots


def test_a_marked_run_keeps_its_place_whatever_else_is_marked():
    places = assign_slots({}, {"b"})
    assert places == {"b": 0}
    places = assign_slots(places, {"b", "a", "c"})
    assert places == {"b": 0, "a": 1, "c": 2}
    places = assign_slots(places, {"c", "a"})
    assert places == {"a": 1, "c": 2}
    assert assign_slots(places, {"c", "a", "0"}) == {"a": 1, "c": 2, "0": 0}


def test_more_runs_than_places_wait_for_one():
    marked = {f"{number:02}" for number in range(SERIES + 2)}
    places = assign_slots({}, marked)
    assert sorted(places.values()) == list(range(SERIES))
    freed = assign_slots(places, marked - {"03"})
    assert freed["08"] == places["03"] and "09" not in freed


def test_every_place_has_a_marker_of_its_own():
    assert len(set(RUN_MARKERS)) == SERIES


def overlaid(count: int, model: str = "compact"):
    return [OverlaidRun(f"20260102-030405-006-{model}-aaa{place}", model, place, ()) for place in range(count)]


@pytest.mark.parametrize("count", range(2, SERIES + 1))
@pytest.mark.parametrize("model", ["compact", "m" * 200, "高兴的脸" * 9])
def test_a_low_plots_legend_fits_into_a_line(count: int, model: str):
    from rich.cells import cell_len

    names = legend_names(overlaid(count, model), 62, 10)
    assert len("  ".join("● " for _ in names)) + sum(cell_len(name) for name in names) <= 62
    assert len(set(names)) == count


def test_names_have_their_model_where_there_is_room():
    assert legend_names(overlaid(2), 78, 10) == ["compact aaa0", "compact aaa1"]
    assert legend_names(overlaid(8), 78, 10)[7] == "aaa7"
    assert legend_names(overlaid(8), 62, 30)[7] == "compact aaa7"


def test_smoothing_holds_a_constant():
    assert [figure for _, figure in smoothed([(1, 3.0), (2, 3.0)])] == pytest.approx([3, 3])


@pytest.mark.parametrize("kept", [0.0, 1.0, 501.0, 998.0, 999.0])
def test_thinning_keeps_the_ends_and_the_kept_epoch(kept: float):
    points = [(float(n), 0.0) for n in range(1000)]
    left = downsample(points, 50, kept)
    assert len(left) == 50 and left[0] == points[0] and left[-1] == points[-1]
    assert (kept, 0.0) in left and left == sorted(left)
