"""A data set of drawn faces with seven expressions. It needs no download; Pillow draws the faces.

A face is a person (shape, tones, hair, glasses) with an expression, a pose and a light. An expression is a set of
facial action units. They move the features of the face, the left half slightly differently from the right.

Reference:
    Ekman, Friesen and Hager, Facial Action Coding System, 2002: the units and their combinations.
"""

from __future__ import annotations

import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from core.errors import DatasetError

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
DEMO_SPLITS = ("train", "validation")

Points = NDArray[np.complex128]
"""x to the right + 1j * y down. The unit is half the height of the face; its middle is 0 and its chin is 1j."""

VIEW = 1.08
"""Half the side of the image, in half heights of the face."""
OVERSAMPLING = 4
UNSHADED = 128

CIRCLE: Points = np.exp(2j * np.pi * np.arange(28) / 28)
ACROSS: NDArray[np.float64] = np.linspace(-1, 1, 25)
"""Positions along a feature, from the image's left to its right."""
OUT: NDArray[np.float64] = np.linspace(0, 1, 13)
"""Positions along a feature, from the middle of the face outwards."""


@dataclass(frozen=True)
class ActionUnits:
    """The contraction of each facial action unit, from 0 (relaxed) to 1 (full)."""

    inner_brow: float = 0  # AU1, inner brow raiser
    outer_brow: float = 0  # AU2, outer brow raiser
    frown: float = 0  # AU4, brow lowerer
    upper_lid: float = 0  # AU5, upper lid raiser
    cheeks: float = 0  # AU6, cheek raiser
    lids_tight: float = 0  # AU7, lid tightener
    nose_wrinkle: float = 0  # AU9, nose wrinkler
    lip_pull: float = 0  # AU12, lip corner puller
    lip_drop: float = 0  # AU15, lip corner depressor
    lower_lip: float = 0  # AU16, lower lip depressor
    lip_stretch: float = 0  # AU20, lip stretcher
    lips_tight: float = 0  # AU23, lip tightener
    lips_part: float = 0  # AU25, lips part
    jaw_drop: float = 0  # AU26, jaw drop


EXPRESSIONS = {
    "angry": ActionUnits(frown=1, upper_lid=0.4, lids_tight=0.7, nose_wrinkle=0.3, lips_tight=1),
    "disgust": ActionUnits(frown=0.6, lids_tight=0.4, nose_wrinkle=0.9, lip_drop=0.7, lower_lip=0.7),
    "fear": ActionUnits(inner_brow=1, outer_brow=0.6, frown=0.5, upper_lid=0.9, lip_stretch=1, jaw_drop=0.45),
    "happy": ActionUnits(cheeks=0.8, lip_pull=1, lips_part=0.5),
    "neutral": ActionUnits(),
    "sad": ActionUnits(inner_brow=0.8, frown=0.5, lip_drop=0.9),
    "surprise": ActionUnits(inner_brow=0.9, outer_brow=1, upper_lid=0.9, jaw_drop=0.85),
}


class Person:
    """A random person's face. Tones are from 0 (black) to 255 (white). Lengths are in half heights of the face."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.skin = rng.uniform(85, 225)
        hair = rng.uniform(12, 60) if rng.random() < 0.65 else rng.uniform(60, 200)
        self.hair = hair if abs(hair - self.skin) > 35 else self.skin - 50
        tones = np.arange(15.0, 245.0)
        contrast = np.minimum(np.abs(tones - self.skin), np.abs(tones - self.hair))
        self.background = rng.choice(tones[contrast > 25])
        self.clothes = rng.uniform(20, 235)
        self.iris = rng.uniform(25, 90)
        self.width = rng.uniform(0.68, 0.82)
        self.jaw = rng.uniform(0.05, 0.3)
        self.eye_distance = rng.uniform(0.29, 0.35)
        self.eye_width = rng.uniform(0.14, 0.175)
        self.brow_height = rng.uniform(-0.39, -0.33)
        self.brow_thickness = rng.uniform(0.045, 0.1)
        self.nose_length = rng.uniform(0.2, 0.3)
        self.nose_width = rng.uniform(0.09, 0.15)
        self.mouth_height = rng.uniform(0.52, 0.58)
        self.mouth_width = rng.uniform(0.27, 0.34)
        self.lip_thickness = rng.uniform(0.03, 0.075)
        self.has_fringe = rng.random() < 0.15
        self.hairline = rng.uniform(-0.54, -0.44) if self.has_fringe else rng.uniform(-1.0, -0.68)
        self.parting = rng.uniform(-0.7, 0.7)
        self.hair_length = rng.uniform(0.4, 1.4) if rng.random() < 0.4 else rng.uniform(-0.3, 0.1)
        self.hair_volume = rng.uniform(0.05, 0.16)
        self.curls = rng.uniform(0.01, 0.03) if rng.random() < 0.4 else 0.0
        self.wrinkles = rng.uniform(0, 1)
        self.beard = rng.uniform(0.4, 1) if rng.random() < 0.1 else 0.0
        self.has_glasses = rng.random() < 0.12


class Sketch:
    """A grey image of a head in a random pose: a sharp layer (ink), multiplied by a blurred layer (shade)."""

    def __init__(self, size: int, background: float, rng: np.random.Generator) -> None:
        side = size * OVERSAMPLING
        self._ink = Image.new("L", (side, side), round(background))
        self._shade = Image.new("L", (side, side), UNSHADED)
        self._inking, self._shading = ImageDraw.Draw(self._ink), ImageDraw.Draw(self._shade)
        self._yaw = rng.normal(0, 0.06)
        self._turn = side / 2 / VIEW * rng.uniform(0.9, 1.1) * np.exp(1j * rng.normal(0, 0.07))
        self._centre = side * (0.5 + 0.5j + rng.normal(0, 0.03) + 1j * rng.normal(0, 0.03))

    def fill(self, outline: Points, tone: float) -> None:
        """Fill an area with a tone."""
        self._inking.polygon(self._pixels(outline), fill=round(min(max(tone, 0), 255)))

    def stroke(self, line: Points, tone: float, width: float) -> None:
        """Draw a line that narrows towards its ends."""
        along = np.gradient(line)
        taper = width / 6 * (1 + 2 * np.sin(np.linspace(0, np.pi, len(line))))
        offset = 1j * taper * along / np.maximum(np.abs(along), 1e-9)
        self.fill(between(line - offset, line + offset), tone)

    def soften(self, outline: Points, light: float) -> None:
        """Make an area lighter (`light` above 0) or darker (below 0), with a soft edge."""
        self._shading.polygon(self._pixels(outline), fill=round(UNSHADED * (1 + light)))

    def render(self, light: complex, rng: np.random.Generator) -> Image.Image:
        """Return the image at its final size, with a light from one side, slight blur and sensor noise."""
        ink, shade = self._ink.reduce(OVERSAMPLING), self._shade.reduce(OVERSAMPLING)
        pixel = ink.width / 48
        ink = ink.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.5) * pixel))
        shade = shade.filter(ImageFilter.GaussianBlur(1.3 * pixel))
        place = np.linspace(-1, 1, ink.width)
        grey = np.asarray(ink) * (np.asarray(shade) / UNSHADED)
        grey *= 1 + light.real * place + light.imag * place[:, None]
        grey += rng.normal(0, rng.uniform(1, 4), grey.shape)
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8))

    def _pixels(self, points: Points) -> list[float]:
        """Turn the head (points nearer to the viewer move more), then tilt, scale and shift it."""
        nearness = np.maximum(1 - 1.2 * points.real**2 - 0.8 * points.imag**2, 0)
        return ((points + self._yaw * nearness) * self._turn + self._centre).view(np.float64).tolist()


def oval(centre: complex, width: float, height: float) -> Points:
    """Return the outline of an ellipse with these half axes."""
    return centre + width * CIRCLE.real + 1j * height * CIRCLE.imag


def between(upper: Points, lower: Points) -> Points:
    """Return the outline of the area between two lines of the same direction."""
    return np.concatenate([upper, lower[::-1]])


def crown(person: Person) -> Points:
    """Return the line over the top of the hair, from the image's left to its right."""
    angle = np.pi / 2 * ACROSS
    width, height = person.width + person.hair_volume, 0.98 + person.hair_volume
    curls = 1 + person.curls * np.sin(14 * angle + person.parting)
    return curls * (width * np.sin(angle) - 1j * height * np.cos(angle)) - 0.1j


def draw_head(sketch: Sketch, person: Person, jaw_drop: float, light: complex) -> None:
    """Draw the hair behind the head, shoulders, neck, ears and face. `jaw_drop` makes the face longer."""
    top = crown(person)
    lengths = 0.95 * top.real + 1j * (person.hair_length - 0.15 * ACROSS**4)
    sketch.fill(between(top, lengths), person.hair)
    sketch.fill(np.array([-0.4 + 0.5j, 0.4 + 0.5j, 0.44 + 1.8j, -0.44 + 1.8j]), person.skin * 0.8)
    sketch.fill(oval(1.72j, 1.25, 0.52), person.clothes)
    for side in (-1, 1):
        sketch.fill(oval(side * (person.width + 0.01), 0.09, 0.19), person.skin * 0.86)
        sketch.fill(oval(side * (person.width + 0.015) + 0.01j, 0.045, 0.12), person.skin * 0.68)
    longer = 1 + 0.12 * jaw_drop * (CIRCLE.imag > 0)
    width = person.width * (1 - person.jaw * np.maximum(CIRCLE.imag, 0) ** 2)
    face = CIRCLE.real * width + 1j * CIRCLE.imag * longer
    sketch.fill(face, person.skin)
    if person.beard:
        jawline = face[face.imag > 0.06]
        out = np.abs(jawline.real / person.width)
        cheeks = jawline.real + 1j * (0.36 + 0.25 * out - 0.55 * out**4)
        sketch.fill(between(jawline, cheeks), person.skin + person.beard * (person.hair - person.skin))
    sketch.soften(face, -0.15)
    sketch.soften(face * 0.78 + light * 0.3, 0.05)


def draw_hairline(sketch: Sketch, person: Person) -> None:
    """Draw the hair over the forehead, on both sides of the parting."""
    from_parting = np.abs(ACROSS - person.parting) / (1 - person.parting * np.sign(ACROSS - person.parting))
    fall = from_parting ** (5 if person.has_fringe else 2)
    line = ACROSS * (person.width + 0.02) + 1j * (person.hairline + (-0.12 - person.hairline) * fall)
    top = crown(person)
    sketch.fill(between(top, line), person.hair)
    for share in (0.25, 0.5, 0.75):
        strand = line + share * (top - line)
        sketch.stroke(strand[2:-2], person.hair * 0.9 + 18, 0.045)


def draw_brow(sketch: Sketch, person: Person, units: ActionUnits, side: int) -> None:
    """Draw one brow and its folds."""
    inner, outer = (1 - OUT) ** 1.4, OUT**0.8 * (1.25 - 0.6 * OUT)
    frown = units.frown + 0.5 * units.nose_wrinkle
    height = person.brow_height - 0.05 * np.sin(np.pi * OUT**1.3) + 0.03 * OUT
    height = height - 0.16 * units.inner_brow * inner - 0.13 * units.outer_brow * outer
    height = height + frown * (0.14 * inner + 0.02)
    place = person.eye_distance - 0.19 - 0.055 * frown * inner + 0.38 * OUT
    sketch.stroke(side * place + 1j * height, min(person.hair, person.skin * 0.55), person.brow_thickness)
    fold = person.skin * (0.88 - 0.15 * person.wrinkles)
    if units.frown > 0.3:
        sketch.stroke(side * (0.06 - 0.02 * OUT) + 1j * (height[0] - 0.1 + 0.17 * OUT), fold, 0.035)
    if units.inner_brow + units.outer_brow > 0.6:
        for above in (0.13, 0.22):
            sketch.stroke(side * 0.45 * OUT + 1j * (height.min() - above + 0.04 * OUT**2), fold, 0.03)


def draw_eye(sketch: Sketch, person: Person, units: ActionUnits, side: int, gaze: complex) -> None:
    """Draw one eye: the white, the visible part of the iris, lashes, crease and folds."""
    middle, half = side * person.eye_distance - 0.12j, person.eye_width
    squint = 0.2 * units.lids_tight + 0.2 * units.nose_wrinkle
    above = max(0.5 + 0.42 * units.upper_lid - 0.2 * units.cheeks - squint, 0.1)
    below = max(0.36 + 0.1 * units.upper_lid - 0.34 * units.cheeks - squint, 0.12 - above)
    sorrow = max(units.inner_brow - units.outer_brow - units.upper_lid, 0)
    bow = 1j * half * (1 - ACROSS**2) ** 0.75
    line = middle + half * ACROSS * (1 + 1j * side * (0.18 * sorrow - 0.05))
    upper, lower = line - above * bow, line + below * bow
    sketch.soften(oval(middle - 0.04j, half * 1.35, 0.17), -0.1 - 0.06 * person.wrinkles)
    sketch.fill(between(upper, lower), 95 + 0.6 * person.skin)
    for radius, tone in ((0.55 * half, person.iris), (0.26 * half, 12)):
        iris = oval(middle + gaze, radius, radius)
        lids = (np.interp(iris.real, line.real, lid.imag) for lid in (upper, lower))
        sketch.fill(iris.real + 1j * iris.imag.clip(*lids), tone)
    sketch.stroke(upper, person.skin * 0.25, 0.045)
    sketch.stroke(lower, person.skin * 0.6, 0.025)
    sketch.stroke(upper - 0.055j, person.skin * 0.74, 0.022)
    if units.cheeks > 0.3:
        sketch.stroke(lower + 0.06j + 0.3 * bow, person.skin * (0.9 - 0.1 * person.wrinkles), 0.03)
        for down in (-0.09, 0.09):
            crow_foot = middle + half * side * (1.15 + 0.35 * OUT) + 1j * down * (0.3 + 0.4 * OUT)
            sketch.stroke(crow_foot, person.skin * (0.88 - 0.15 * person.wrinkles), 0.028)


def draw_nose(sketch: Sketch, person: Person, units: ActionUnits, light: complex) -> None:
    """Draw the nose, shaded on the side away from the light. Wrinkling moves it up and folds its bridge."""
    width = person.nose_width * (1 + 0.15 * units.nose_wrinkle)
    tip = person.nose_length - 0.06 * units.nose_wrinkle
    dark = -1 if light.real > 0 else 1
    bridge = np.array([0.03, 0.06, width, 0.02]) * dark + 1j * np.array([-0.3, -0.05, tip - 0.04, tip])
    sketch.soften(bridge, -0.24)
    sketch.soften(oval(-0.02 * dark + 1j * (tip - 0.08), 0.05, 0.12), 0.14)
    base = tip + 0.035 * np.cos(1.5 * np.pi * ACROSS)
    sketch.stroke(width * ACROSS + 1j * base, person.skin * 0.62, 0.035)
    bend = np.pi * (0.95 * OUT - 0.5)
    for side in (-1, 1):
        sketch.fill(oval(side * width * 0.5 + 1j * tip, 0.034, 0.022), person.skin * 0.35)
        wing = side * width * (0.75 + 0.3 * np.cos(bend)) + 1j * (tip - 0.04 + 0.05 * np.sin(bend))
        sketch.stroke(wing, person.skin * 0.65, 0.026)
        if units.nose_wrinkle > 0.3:
            for height in (-0.18, -0.1, -0.02):
                sketch.stroke(side * (0.02 + 0.1 * OUT) + 1j * (height + 0.05 * OUT), person.skin * 0.7, 0.03)


def draw_mouth(sketch: Sketch, person: Person, units: ActionUnits, halves: list[ActionUnits]) -> None:
    """Draw the lips, the open mouth with teeth, and the folds from the nose to the mouth."""
    stretch = 0.32 * units.lip_pull + 0.35 * units.lip_stretch
    half = person.mouth_width * (1 + stretch - 0.1 * units.lips_tight - 0.25 * units.jaw_drop)
    gap = max(0.36 * units.jaw_drop + 0.16 * units.lips_part + 0.11 * units.lower_lip, 0)
    corners = [0.13 * one.lip_drop + 0.06 * one.lip_stretch - 0.17 * one.lip_pull for one in halves]
    bow = 1j * (1 - ACROSS**2) ** 0.6
    sag = np.interp(ACROSS, (-1, 1), corners) * (ACROSS**2 - 0.4)
    line = half * ACROSS + 1j * (person.mouth_height + sag) - 0.05 * units.nose_wrinkle * bow
    upper, lower = line - 0.3 * gap * bow, line + 0.7 * gap * bow
    lip = person.lip_thickness * max(1 - 0.6 * units.lips_tight - 0.2 * units.lip_stretch, 0.25) * bow
    cupid = 1 - 0.35 * np.exp(-((ACROSS / 0.18) ** 2))
    sketch.soften(oval(1j * (lower.imag.max() + 0.12), 0.7 * half, 0.05), -0.2)
    sketch.fill(between(upper - lip * cupid, lower + 1.35 * lip), person.skin * 0.7)
    sketch.fill(between(upper, lower), 28)
    if gap > 0.06:
        teeth = upper + min(0.09, 0.8 * gap) * bow
        sketch.fill(between(upper[3:-3], teeth[3:-3]), 120 + 0.45 * person.skin)
    sketch.stroke(upper, person.skin * 0.35, 0.04)
    furrow = units.lip_pull + 0.8 * units.nose_wrinkle + 0.4 * units.lip_stretch + 0.3 * person.wrinkles
    if furrow > 0.3:
        wing, away = person.nose_width + 0.05, half - person.nose_width + 0.04
        for side, corner in ((-1, line[0]), (1, line[-1])):
            height = person.nose_length - 0.05 + (corner.imag - person.nose_length) * OUT**1.3
            fold = side * (wing + away * OUT**0.8) + 1j * height
            sketch.stroke(fold, person.skin * (0.94 - 0.18 * min(furrow, 1)), 0.035)


def draw_glasses(sketch: Sketch, person: Person) -> None:
    """Draw round glasses."""
    hinge = person.eye_distance + 0.24
    for side in (-1, 1):
        rim = oval(side * person.eye_distance - 0.1j, 0.25, 0.22)
        sketch.stroke(np.concatenate([rim, rim[:4]]), 30, 0.06)
        sketch.stroke(side * (hinge + (person.width - hinge) * OUT) + 1j * (0.02 * OUT - 0.14), 30, 0.05)
    sketch.stroke((person.eye_distance - 0.24) * ACROSS - 1j * (0.16 - 0.04 * ACROSS**2), 30, 0.06)


def sample_action_units(expression: str, rng: np.random.Generator) -> tuple[ActionUnits, ActionUnits, ActionUnits]:
    """Draw the units of an expression at random: its strength, each unit, and the difference of the two halves.

    Returns:
        The units of the image's left half, of the middle, and of the right half.
    """
    typical = np.array(astuple(EXPRESSIONS[expression]))
    units = typical * rng.uniform(0.6, 1.1) * rng.uniform(0.65, 1.25, typical.size)
    units += rng.normal(0, 0.05, typical.size)
    apart = units * (rng.normal(0, 0.09) + rng.normal(0, 0.05, typical.size))
    left, middle, right = (ActionUnits(*half.tolist()) for half in (units - apart, units, units + apart))
    return left, middle, right


def draw_face(expression: str, rng: np.random.Generator, size: int = 48) -> Image.Image:
    """Draw a random person with one expression.

    Args:
        expression: one of CLASSES.
        rng: the source of all random differences between faces.
        size: width and height of the image in pixels.

    Returns:
        A grey image (mode "L") of size x size pixels.

    Raises:
        ValueError: the expression is not one of CLASSES.
    """
    if expression not in EXPRESSIONS:
        raise ValueError(f"{expression!r} can't be drawn: choose from {', '.join(CLASSES)}")
    person = Person(rng)
    left, middle, right = sample_action_units(expression, rng)
    light = rng.uniform(0, 0.35) * np.exp(2j * np.pi * rng.random())
    sketch = Sketch(size, person.background, rng)
    draw_head(sketch, person, middle.jaw_drop, light)
    draw_nose(sketch, person, middle, light)
    draw_mouth(sketch, person, middle, [left, right])
    gaze = complex(*rng.normal(0, 0.015, 2))
    for side, units in ((-1, left), (1, right)):
        draw_eye(sketch, person, units, side, gaze)
        draw_brow(sketch, person, units, side)
    draw_hairline(sketch, person)
    if person.has_glasses:
        draw_glasses(sketch, person)
    return sketch.render(light, rng)


def write_faces(directory: Path, per_class: int = 200, seed: int = 0) -> None:
    """Write a data set of drawn faces: directory/train/<class>/0001.png and so on, and directory/validation.

    A face depends only on the seed, its class and its number. Validation gets a fifth of the faces; its numbers follow
    those of train. The data set is written to a temporary folder first, so that an interruption leaves no files.

    Args:
        directory: a new or an empty folder.
        per_class: the number of faces per class, in both splits together.
        seed: equal seeds give equal files.

    Raises:
        ValueError: `per_class` is below 2, or `seed` is negative.
        DatasetError: the directory is a file, is not empty, or can't be written.
    """
    if per_class < len(DEMO_SPLITS):
        raise ValueError(f"per_class is {per_class}: a class needs at least 2 faces, one for each split")
    try:
        if directory.exists() and not directory.is_dir():
            raise DatasetError(f"{directory}: is a file; name a new folder")
        if directory.exists() and any(directory.iterdir()):
            raise DatasetError(f"{directory}: is not empty; name a new folder")
        place = directory.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
            draw_splits(Path(scratch), per_class, seed)
            # Do not replace an existing folder: it may be the working directory of a shell.
            place.mkdir(exist_ok=True)
            for split in reversed(DEMO_SPLITS):
                Path(scratch, split).rename(place / split)
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{directory}: can't be written ({reason}); name another folder") from error


def draw_splits(root: Path, per_class: int, seed: int) -> None:
    """Draw all faces of all classes into the folders of the splits."""
    training = per_class - max(1, round(per_class / 5))
    for order, expression in enumerate(CLASSES):
        for split in DEMO_SPLITS:
            Path(root, split, expression).mkdir(parents=True)
        for number in range(1, per_class + 1):
            face = draw_face(expression, np.random.default_rng([seed, order, number]))
            face.save(Path(root, DEMO_SPLITS[number > training], expression, f"{number:04}.png"))
