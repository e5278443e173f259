"""Detect faces on photographs that contain drawn faces at known positions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.evaluation.face_detection import MAX_SEARCH_SIZE, Box, find_faces, is_cropped

Place = tuple[int, int, int]
Photograph = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def photograph(faces: Path) -> Photograph:
    """A function that pastes a drawn face, which the cascade detects, into a grey image at each (left, top, size)."""
    drawn = [Image.open(path).convert("L") for path in sorted((faces / "train").glob("*/*.png"))]
    canvas = Image.new("L", (400, 400), 120)

    def paste(face: Image.Image, picture: Image.Image, place: Place) -> Image.Image:
        left, top, size = place
        picture.paste(face.resize((size, size), Image.Resampling.BICUBIC), (left, top))
        return picture

    found = next(face for face in drawn if find_faces(paste(face, canvas.copy(), (90, 90, 220))))

    def put(size: tuple[int, int], *places: Place) -> Image.Image:
        picture = Image.new("RGB", size, (120, 120, 120))
        for place in places:
            paste(found, picture, place)
        return picture

    return put


def lies_on(box: Box, place: Place) -> bool:
    """Return whether a box has about the centre and the size of a pasted face."""
    left, top, size = place
    across, down = box.left + box.width / 2 - left, box.top + box.height / 2 - top
    return max(abs(across / size - 0.5), abs(down / size - 0.5)) < 0.15 and 0.5 < box.width / size < 1.2


def test_every_face_is_found_the_largest_first(photograph: Photograph):
    small, large = (40, 60, 180), (420, 120, 300)
    boxes = find_faces(photograph((800, 500), small, large))
    assert len(boxes) == 2
    assert lies_on(boxes[0], large)
    assert lies_on(boxes[1], small)


def test_boxes_are_in_pixels_of_the_whole_photograph(photograph: Photograph):
    """Large photographs are scaled down for the detection, but boxes have the photograph's coordinates."""
    place = (2400, 900, 900)
    (box,) = find_faces(photograph((4 * MAX_SEARCH_SIZE, 2400), place))
    assert lies_on(box, place)
    assert box.crop(photograph((4 * MAX_SEARCH_SIZE, 2400), place)).size == (box.width, box.height)


def test_no_face_is_found_on_nothing():
    assert find_faces(Image.new("L", (300, 300), 90)) == []
    assert find_faces(Image.new("L", (7, 5000), 90)) == []


@pytest.mark.parametrize(
    ("size", "expected"), [((48, 48), True), ((96, 96), True), ((97, 97), False), ((48, 60), False)]
)
def test_small_squares_are_faces_already(size: tuple[int, int], expected: bool):
    assert is_cropped(Image.new("L", size), 48) is expected


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with a model that predicts how bright a face is."""
    import keras

    folder = tmp_path_factory.mktemp("runs") / "20260101-000000-000-bright-aaaa"
    folder.mkdir()
    pixels = keras.Input((48, 48, 1))
    share = keras.layers.Rescaling(1 / 255)(keras.layers.GlobalAveragePooling2D()(pixels))
    rest = keras.layers.Rescaling(-1.0, offset=1.0)(share)
    keras.Model(pixels, keras.layers.Concatenate()([share, rest])).save(folder / "best.keras")
    (folder / "config.json").write_text("{}")
    (folder / "environment.json").write_text(json.dumps({"classes": ["bright", "dark"]}))
    return folder


def test_a_photograph_gets_an_answer_a_face(run: Path, photograph: Photograph, tmp_path: Path):
    from core.evaluation.inference import predict_images

    two, none, cut = tmp_path / "two.png", tmp_path / "none.png", tmp_path / "cut.png"
    photograph((800, 500), (40, 60, 180), (420, 120, 300)).save(two)
    Image.new("L", (300, 200), 255).save(none)
    Image.new("L", (40, 40), 51).save(cut)
    first, second, missed, whole, broken = predict_images(run, [two, none, cut, tmp_path / "gone.png"])
    assert first.image == second.image == two
    assert first.box and second.box and first.box.width > second.box.width > 48
    assert sum(first.probabilities.values()) == pytest.approx(1)
    # The background is a uniform grey, so a cut-out face has a different brightness.
    assert abs(first.probabilities["bright"] - 120 / 255) > 0.005
    assert missed.box is None
    assert "no face was found" in missed.note
    assert missed.predicted == "bright"
    assert whole.box is None
    assert not whole.note
    assert whole.probabilities["bright"] == pytest.approx(0.2)
    assert broken.error and (broken.predicted, broken.probabilities, broken.note) == (None, {}, "")


def test_a_photograph_is_one_face_where_that_is_said_or_none_can_be_found(
    run: Path, photograph: Photograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from core.evaluation import inference as prediction

    path = tmp_path / "two.png"
    picture = photograph((800, 500), (40, 60, 180), (420, 120, 300))
    picture.save(path)
    bright = float(np.asarray(picture.convert("L")).mean()) / 255
    (whole,) = prediction.predict_images(run, [path], whole=True)
    assert whole.box is None
    assert not whole.note
    assert whole.probabilities["bright"] == pytest.approx(bright, abs=0.01)
    monkeypatch.setattr("core.system.extras.find_spec", lambda name: None)
    (untold,) = prediction.predict_images(run, [path])
    assert untold.box is None
    assert untold.note.endswith("OpenCV, which finds faces, is not installed; pip install 'fer-tui[faces]'")


def test_an_answer_is_told_as_json():
    from core.evaluation.inference import FacePrediction

    image, shares = Path("a.png"), {"happy": 0.75, "sad": 0.25}
    said = {"predicted": "happy", "probabilities": shares}
    cut = FacePrediction(image, Box(1, 2, 3, 4), "happy", shares)
    whole = FacePrediction(image, None, "happy", shares, note="no face was found")
    unread = FacePrediction(image, error="is no image")
    assert list(cut.as_json().items()) == [("image", "a.png"), ("box", [1, 2, 3, 4]), *said.items()]
    assert list(whole.as_json().items()) == [
        ("image", "a.png"),
        ("box", None),
        ("note", "no face was found"),
        *said.items(),
    ]
    assert unread.as_json() == {"image": "a.png", "error": "is no image"}
