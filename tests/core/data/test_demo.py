from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import demo
from core.data.demo import CLASSES, draw_face, write_faces
from core.errors import DatasetError


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.png"))}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "faces"
    write_faces(root, per_class=5, seed=3)
    return root


@pytest.mark.parametrize("expression", CLASSES)
@pytest.mark.parametrize("size", [48, 96])
def test_a_face_is_grey_square_and_no_blank(expression: str, size: int):
    face = draw_face(expression, np.random.default_rng(0), size)
    assert face.mode == "L"
    assert face.size == (size, size)
    assert np.std(np.asarray(face)) > 10


@pytest.mark.parametrize("expression", [name for name in CLASSES if name != "neutral"])
def test_an_expression_changes_the_face_and_not_what_is_around_it(expression: str):
    neutral, shown = (np.asarray(draw_face(name, np.random.default_rng(2))) for name in ("neutral", expression))
    assert np.array_equal(shown[:5], neutral[:5])
    assert np.mean(shown[14:40, 14:34] != neutral[14:40, 14:34]) > 0.2


def test_surprise_opens_the_mouth():
    def darkest(expression: str, seed: int) -> int:
        return np.asarray(draw_face(expression, np.random.default_rng(seed)))[32:44, 18:30].min()

    assert np.mean([darkest("surprise", seed) < darkest("neutral", seed) - 5 for seed in range(10)]) > 0.8


def test_an_unknown_expression_is_named():
    with pytest.raises(ValueError, match="'bored' can't be drawn: choose from angry, disgust"):
        draw_face("bored", np.random.default_rng(0))


def test_every_class_has_four_fifths_in_train_and_the_rest_in_validation(faces: Path):
    found = {
        (split.name, folder.name): [path.name for path in sorted(folder.iterdir())]
        for split in faces.iterdir()
        for folder in split.iterdir()
    }
    expected = {("train", name): ["0001.png", "0002.png", "0003.png", "0004.png"] for name in CLASSES}
    assert found == expected | {("validation", name): ["0005.png"] for name in CLASSES}


@pytest.mark.parametrize(("per_class", "train", "validation"), [(2, 1, 1), (3, 2, 1), (8, 6, 2), (10, 8, 2)])
def test_no_split_goes_without_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_class: int, train: int, validation: int
):
    monkeypatch.setattr(demo, "draw_face", lambda *_: Image.new("L", (48, 48)))
    write_faces(tmp_path, per_class)
    for name in CLASSES:
        assert len(list((tmp_path / "train" / name).iterdir())) == train
        assert len(list((tmp_path / "validation" / name).iterdir())) == validation


def test_files_are_grey_48_pixel_pngs_and_no_two_are_alike(faces: Path):
    for path in faces.rglob("*.png"):
        with Image.open(path) as face:
            assert (face.format, face.mode, face.size) == ("PNG", "L", (48, 48))
    assert len(set(contents(faces).values())) == 5 * len(CLASSES)


def test_the_same_seed_gives_the_same_bytes_and_another_none_of_them(faces: Path, tmp_path: Path):
    write_faces(tmp_path / "again", per_class=5, seed=3)
    assert contents(tmp_path / "again") == contents(faces)
    write_faces(tmp_path / "other", per_class=2, seed=4)
    assert not set(contents(tmp_path / "other").values()) & set(contents(faces).values())


def test_a_face_depends_on_its_seed_class_and_number_alone(faces: Path, tmp_path: Path):
    write_faces(tmp_path / "fewer", per_class=3, seed=3)
    whole, fewer = contents(faces), contents(tmp_path / "fewer")
    assert fewer["train/sad/0002.png"] == whole["train/sad/0002.png"]
    assert fewer["validation/sad/0003.png"] == whole["train/sad/0003.png"]


@pytest.mark.parametrize("per_class", [1, 0, -5])
def test_too_few_for_two_splits_is_refused(tmp_path: Path, per_class: int):
    with pytest.raises(ValueError, match=f"per_class is {per_class}"):
        write_faces(tmp_path / "faces", per_class)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError) as refusal:
        write_faces(tmp_path, per_class=2)
    assert str(refusal.value) == f"{tmp_path}: the folder is not empty; name a new folder"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_place_is_refused(tmp_path: Path):
    place = tmp_path / "faces"
    place.write_text("mine")
    with pytest.raises(DatasetError, match="faces: this is a file; name a new folder"):
        write_faces(place, per_class=2)
    assert place.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"file/faces: can't be written .*; name another folder"):
        write_faces(tmp_path / "file" / "faces", per_class=2)


def test_missing_parents_are_made_and_an_empty_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    write_faces(Path(), per_class=2)
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["train", "validation"]
    assert [path.name for path in place.parent.iterdir()] == ["b"]
    write_faces(tmp_path / "c" / "d", per_class=2)
    assert len(contents(tmp_path / "c" / "d")) == 2 * len(CLASSES)


@pytest.mark.parametrize("blow", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blow: BaseException):
    drawn = []

    def draw_five(expression: str, rng: np.random.Generator) -> Image.Image:
        drawn.append(expression)
        if len(drawn) > 5:
            raise blow
        return draw_face(expression, rng)

    monkeypatch.setattr(demo, "draw_face", draw_five)
    with pytest.raises((KeyboardInterrupt, DatasetError)):
        write_faces(tmp_path / "faces", per_class=4)
    assert len(drawn) == 6
    assert not list(tmp_path.iterdir())


def test_drawing_needs_neither_tensorflow_nor_pandas():
    code = "import sys, core.data.demo; sys.exit(bool({'tensorflow', 'keras', 'pandas', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
