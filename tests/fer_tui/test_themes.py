from __future__ import annotations

import itertools

import pytest
from textual.color import Color
from textual.theme import Theme

from fer_tui.themes import FALLBACK, SERIES, THEMES

# G. M. Machado et al., A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009: full severity.
VISION = {
    "trichromat": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranope": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanope": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(colour: str):
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in Color.parse(colour).normalized]


def luminance(colour: str):
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def lab(colour: str, matrix: tuple[tuple[float, ...], ...]):
    """Return the CIE L*a*b* (D65) values of a colour as a person with this colour vision sees it."""
    rgb = [min(max(sum(a * b for a, b in zip(row, linear(colour), strict=True)), 0), 1) for row in matrix]
    to_xyz = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8728))
    xyz = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in to_xyz]
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def series(theme: Theme):
    return [theme.variables[f"series-{place}"] for place in range(1, SERIES + 1)]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_colours_of_runs_stand_out_from_the_ground(theme: Theme):
    ground = luminance(str(theme.background))
    for colour in series(theme):
        dark, light = sorted((ground, luminance(colour)))
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_colours_of_runs_are_told_apart_with_any_colour_vision(theme: Theme, vision: str):
    for one, other in itertools.combinations(series(theme), 2):
        seen = zip(lab(one, VISION[vision]), lab(other, VISION[vision]), strict=True)
        # 2.3 is the just noticeable difference.
        assert sum((a - b) ** 2 for a, b in seen) ** 0.5 > 10, (one, other)


def test_themes_that_are_not_ours_get_every_colour():
    assert set(FALLBACK) == {name for name in THEMES[0].variables if name.startswith("series-")}
