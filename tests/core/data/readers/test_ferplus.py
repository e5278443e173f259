from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fer2013_files import (
    CASES,
    MAJORITY_COUNTS,
    SOFT_COUNTS,
    VOTE_COLUMNS,
    Case,
    draw,
    pixel_text,
    write_csv,
    write_ferplus,
    write_ferplus_folders,
)

from core.data.dataset import Dataset, counts_by_split, fingerprint
from core.data.readers.ferplus import COLUMNS, EMOTIONS, count_agreed, count_majority
from core.data.readers.reader_factory import read_dataset
from core.errors import ConfigError, DatasetError

DISAGREE, UNKNOWN, NO_FACE = "whose votes disagree", "of an unknown emotion", "without a face (NF)"


def labels(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.frame["path"], dataset.frame["label"], strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.votes)))
def test_the_rules_give_what_a_person_works_out(case: Case):
    assert list(COLUMNS) == VOTE_COLUMNS
    majority = count_majority(case.votes)
    names = [name for name, count in zip(COLUMNS, majority, strict=False) if count]
    assert names == ([] if case.majority == "disagree" else [case.majority])
    agreed = count_agreed(case.votes)
    if case.soft == "disagree":
        assert agreed == []
    elif isinstance(case.soft, str):
        assert COLUMNS[agreed.index(max(agreed))] == case.soft
    else:
        shares = {name: count / sum(agreed) for name, count in zip(COLUMNS, agreed, strict=True) if count}
        assert shares == pytest.approx(case.soft)


@pytest.mark.parametrize("images", ["fer2013.csv", "icml_face_data.csv", "FER2013.csv"])
def test_votes_beside_the_images_give_the_majority(tmp_path: Path, images: str):
    dataset = read_dataset(write_ferplus(tmp_path, ("train", "validation", "test"), images))
    assert dataset.format == "ferplus"
    assert dataset.problems == ()
    counts = counts_by_split(dataset.frame)
    assert counts == dict.fromkeys(("train", "validation", "test"), MAJORITY_COUNTS)
    assert dataset.summary == (
        "21 images in 4 classes, train, validation and test; labels: majority of the votes in fer2013new.csv; --format "
        f"fer2013 reads the labels of {images} instead; left out: 15 images {DISAGREE}, 3 images {UNKNOWN}, "
        f"3 images {NO_FACE}"
    )
    assert "votes" not in dataset.frame
    # The second case is the third line of the file.
    assert labels(dataset)[f"{images}#00003"] == "happiness"
    assert np.array_equal(np.asarray(dataset.image(f"{images}#00003")), draw(1))


def test_soft_gives_the_shares_of_training_images_and_the_majority_of_the_others(tmp_path: Path):
    folder = write_ferplus(tmp_path, ("train", "validation"))
    dataset = read_dataset(folder, votes="soft")
    classes = ("anger", "contempt", "happiness", "neutral", "sadness")
    assert dataset.classes == classes
    assert counts_by_split(dataset.frame)["train"] == SOFT_COUNTS
    assert counts_by_split(dataset.frame)["validation"] == {**dict.fromkeys(classes, 0), **MAJORITY_COUNTS}
    votes = dict(zip(dataset.frame["path"], dataset.frame["votes"], strict=True))
    assert votes["fer2013.csv#00004"] == (0.5, 0.0, 0.0, 0.0, 0.5)
    assert votes["fer2013.csv#00005"] == pytest.approx((0.3, 0.0, 0.0, 0.4, 0.3))
    # No image has the label surprise, so its votes are left out and the others scaled to sum to 1.
    assert votes["fer2013.csv#00003"] == (0.0, 0.0, 1.0, 0.0, 0.0)
    assert labels(dataset)["fer2013.csv#00004"] == "sadness"
    assert all(max(share) == 1.0 for share in dataset.split("validation")["votes"])
    assert "labels: shares of the votes in fer2013new.csv" in dataset.summary
    assert dataset.summary.endswith(f"left out: 8 images {DISAGREE}, 2 images {UNKNOWN}, 2 images {NO_FACE}")


@pytest.mark.parametrize("box", [(), ("(0, 0, 48, 48)",)], ids=["no box", "box"])
@pytest.mark.parametrize("below", ["", "data"])
def test_the_folders_of_the_generator_are_read(tmp_path: Path, box: tuple[str, ...], below: str):
    write_ferplus_folders(tmp_path / below, ("train", "validation", "test"), box)
    dataset = read_dataset(tmp_path)
    assert dataset.format == "ferplus"
    assert counts_by_split(dataset.frame) == dict.fromkeys(("train", "validation", "test"), MAJORITY_COUNTS)
    assert dataset.problems == ()
    assert dataset.summary == (
        "21 images in 4 classes, train, validation and test; labels: majority of the votes in label.csv; left out: "
        f"15 images {DISAGREE}, 3 images {UNKNOWN}"
    )
    path = "/".join(filter(None, (below, "FER2013Train/fer0000001.png")))
    assert labels(dataset)[path] == "happiness"
    assert np.array_equal(np.asarray(dataset.image(path)), draw(1))


def test_both_layouts_are_the_same_data(tmp_path: Path):
    write_ferplus(tmp_path / "csv", ("train", "validation"))
    write_ferplus_folders(tmp_path / "folders", ("train", "validation"))
    for votes in ("majority", "soft"):
        csv_files, folders = (read_dataset(tmp_path / name, votes=votes) for name in ("csv", "folders"))
        assert counts_by_split(csv_files.frame) == counts_by_split(folders.frame)
        columns = ["label", "votes"] if votes == "soft" else ["label"]
        assert csv_files.frame[columns].to_numpy().tolist() == folders.frame[columns].to_numpy().tolist()


def test_one_folder_of_the_generator_is_a_data_set_without_splits(tmp_path: Path):
    folder = write_ferplus_folders(tmp_path) / "FER2013Train"
    dataset = read_dataset(folder)
    assert counts_by_split(dataset.frame) == {"all": MAJORITY_COUNTS}
    assert labels(dataset)["fer0000000.png"] == "neutral"
    assert counts_by_split(read_dataset(folder, votes="soft").frame) == {"all": SOFT_COUNTS}


def test_missing_images_images_without_votes_and_broken_rows_are_named(tmp_path: Path):
    train = write_ferplus_folders(tmp_path) / "FER2013Train"
    (train / "fer0000004.png").unlink()
    (train / "other.png").write_bytes((train / "fer0000000.png").read_bytes())
    with (train / "label.csv").open("a") as file:
        file.write("other.png,many\nfer0000000.png,0,10,0,0,0,0,0,0,0,0\n")
    dataset = read_dataset(tmp_path)
    assert counts_by_split(dataset.frame) == {"train": {**MAJORITY_COUNTS, "happiness": 3}}
    kinds = {problem.kind: problem for problem in dataset.problems}
    assert kinds["label_list"].paths == ("FER2013Train/fer0000004.png",)
    assert kinds["broken_row"].paths == ("FER2013Train/label.csv#00014", "FER2013Train/fer0000000.png")
    assert dataset.summary.endswith("1 image not in the folder, 1 image without votes, 2 broken rows")


def test_the_file_of_votes_may_be_given_itself(tmp_path: Path):
    write_ferplus(tmp_path)
    dataset = read_dataset(tmp_path / "fer2013new.csv")
    assert (dataset.format, counts_by_split(dataset.frame)) == ("ferplus", {"train": MAJORITY_COUNTS})
    assert dataset.root == tmp_path / "fer2013.csv"
    asked = read_dataset(tmp_path / "fer2013.csv", format="ferplus")
    assert fingerprint(asked) == fingerprint(dataset)


@pytest.mark.parametrize("asked", ["file", "format", "old run"])
def test_the_labels_of_fer2013_are_read_where_they_are_asked_for(tmp_path: Path, asked: str):
    folder = write_ferplus(tmp_path)
    dataset = {
        "file": lambda: read_dataset(folder / "fer2013.csv"),
        "format": lambda: read_dataset(folder, format="fer2013"),
        "old run": lambda: read_dataset(folder, decoding=1),
    }[asked]()
    assert dataset.format == "fer2013"
    assert counts_by_split(dataset.frame) == {"train": {"fear": len(CASES)}}
    [problem] = dataset.problems
    assert problem.message == (
        "fer2013.csv was read; fer2013new.csv beside it was not: --format ferplus reads its votes"
    )
    assert dataset.summary.endswith("left out: fer2013new.csv (the votes of FER+)")


def test_the_votes_without_the_images_are_refused(tmp_path: Path):
    (write_ferplus(tmp_path) / "fer2013.csv").unlink()
    for place in (tmp_path, tmp_path / "fer2013new.csv"):
        with pytest.raises(DatasetError, match=r"has votes but no images; put fer2013\.csv beside it"):
            read_dataset(place)


def test_the_lists_without_the_images_are_refused(tmp_path: Path):
    train = write_ferplus_folders(tmp_path) / "FER2013Train"
    for image in train.glob("*.png"):
        image.unlink()
    with pytest.raises(DatasetError, match=r"the images are missing, such as FER2013Train/fer0000000\.png; FER"):
        read_dataset(tmp_path)


def rewrite(path: Path, change: str) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if change == "a row less":
        rows.pop()
    elif change == "another order":
        rows[1:] = rows[:0:-1]
    elif change == "a column less":
        rows = [row[:-1] for row in rows]
    elif change == "a short row":
        rows[3].pop()
    write_csv(path, None, rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("a row less", "27 rows, but fer2013.csv has 28; the files must have the same images in the same order"),
        ("another order", r"the Usage of fer2013new.csv#00002 is not that of fer2013.csv#00002 \(train\); the files"),
        ("a column less", "no column NF; expected Usage,Image name,neutral,"),
        ("a short row", "fer2013new.csv#00004 has 11 cells, not 12; restore the file"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, change: str, told: str):
    folder = write_ferplus(tmp_path, ("train", "validation"))
    rewrite(folder / "fer2013new.csv", change)
    with pytest.raises(DatasetError, match=told) as refusal:
        read_dataset(folder, format="ferplus")
    assert "\n" not in str(refusal.value)


def test_rows_stay_together_where_some_are_broken(tmp_path: Path):
    folder = write_ferplus(tmp_path)
    lines = (folder / "fer2013.csv").read_text().splitlines()
    lines[1] = "2,1 2 3,Training"
    (folder / "fer2013.csv").write_text("\n".join(lines))
    votes = (folder / "fer2013new.csv").read_text().splitlines()
    votes[5] = votes[5].replace(",9,", ",many,")
    (folder / "fer2013new.csv").write_text("\ufeff" + "\n".join(votes).replace(",", ";") + "\n\n;;;\n")
    dataset = read_dataset(folder)
    assert labels(dataset) == {
        **{f"fer2013.csv#{line:05d}": "happiness" for line in (3, 7, 11)},
        "fer2013.csv#00012": "anger",
        "fer2013.csv#00015": "contempt",
    }
    [problem] = dataset.problems
    assert (problem.kind, problem.paths) == ("broken_row", ("fer2013.csv#00002", "fer2013new.csv#00006"))


def test_soft_without_votes_is_one_clear_error(tmp_path: Path, faces: Path):
    write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], [(2, pixel_text(0), "Training")])
    for place, name in ((faces, "folders"), (tmp_path, "fer2013")):
        with pytest.raises(ConfigError) as refusal:
            read_dataset(place, votes="soft")
        assert str(refusal.value) == (
            f"votes: soft needs the votes of several annotators, but {place} ({name}) has none; use majority"
        )


def test_the_words_become_those_of_fer2013_where_asked(tmp_path: Path):
    dataset = read_dataset(write_ferplus(tmp_path), votes="soft", classes="synonyms,contempt=")
    assert dataset.classes == ("angry", "happy", "neutral", "sad")
    assert counts_by_split(dataset.frame) == {"train": {"angry": 1, "happy": 4, "neutral": 2, "sad": 1}}
    votes = dict(zip(dataset.frame["path"], dataset.frame["votes"], strict=True))
    assert votes["fer2013.csv#00005"] == pytest.approx((0.3, 0.0, 0.4, 0.3))


def test_the_votes_belong_to_the_fingerprint(tmp_path: Path):
    folder = write_ferplus(tmp_path)
    before = {votes: fingerprint(read_dataset(folder, votes=votes)) for votes in ("majority", "soft")}
    text = (folder / "fer2013new.csv").read_text()
    (folder / "fer2013new.csv").write_text(text.replace(",4,0,0,3,3,", ",4,0,0,4,2,"))
    after = {votes: fingerprint(read_dataset(folder, votes=votes)) for votes in ("majority", "soft")}
    assert before["majority"] == after["majority"]
    assert before["soft"] != after["soft"]


def test_the_words_of_ferplus_are_its_own():
    assert list(EMOTIONS) == VOTE_COLUMNS[:8]
