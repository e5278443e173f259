"""`fer-tui data check|fix|formats|demo|download`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.config.setting_syntax import READING_SETTINGS
from core.errors import ConfigError
from fer_tui.commands.options import JsonOption
from fer_tui.commands.setting_options import add_config_options, given_settings
from fer_tui.console import output
from fer_tui.console.progress import progress_bar

PATH_HELP = "Folder of faces, a manifest, or fer2013.csv."

app = typer.Typer(
    add_completion=False,
    help="Check or clean a data set, draw a demo set, or download the article's.",
    rich_markup_mode=None,
)


def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help=PATH_HELP, show_default=False)],
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Count a data set's images and report problems with them."""
    from core.data.audit import audit_dataset
    from core.data.dataset import counts_by_split
    from core.data.readers.reader_factory import read_dataset

    dataset = read_dataset(path, **given_settings(flags))
    counts = counts_by_split(dataset.frame)
    with progress_bar("checking images", len(dataset.frame)) as progress:
        problems = audit_dataset(dataset, progress)
    if json:
        found = [{"kind": p.kind, "message": p.message, "paths": list(p.paths)} for p in problems]
        told = {"classes": list(dataset.classes), "counts": counts, "problems": found}
        output.print_json({**told, "format": dataset.format, "summary": dataset.summary})
        return 0
    totals = [f"{sum(column.values()):,}" for column in counts.values()]
    output.print_table(
        {"class": "left", **dict.fromkeys(counts, "right")},
        [
            *(((name, *(f"{column[name]:,}" for column in counts.values())), "") for name in dataset.classes),
            (("all", *totals), "bold"),
        ],
    )
    if dataset.summary:
        output.console().print(output.escape_control(dataset.summary), markup=False, soft_wrap=True)
    for problem in problems:
        output.console().print(
            f"{problem.kind}: {output.escape_control(problem.message)}", markup=False, soft_wrap=True
        )
    if not problems:
        output.console().print("no problems found")
    return 0


add_config_options(check, READING_SETTINGS)
app.command()(check)


def fix(
    path: Annotated[Path, typer.Argument(metavar="PATH", help=PATH_HELP, show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A new folder for a copy, or a new .csv or .parquet manifest.", show_default=False
        ),
    ],
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Write a copy of a data set, or a manifest, without broken, blank, duplicate and contradictory images."""
    from core.data.cleaning import write_cleaned
    from core.data.readers.reader_factory import read_dataset

    dataset = read_dataset(path, **given_settings(flags))
    with progress_bar("checking images", len(dataset.frame)) as progress:
        cleaned = write_cleaned(dataset, out, progress)
    if json:
        told = {"output": str(out), "images": cleaned.images, "left_out": cleaned.counts(), "list": str(cleaned.list)}
        output.print_json({**told, "format": dataset.format})
        return 0
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in cleaned.counts().items())
    output.print_message(f"wrote {cleaned.images:,} of {len(dataset.frame):,} images to {out}")
    output.print_message(f"left out: {reasons}; {cleaned.list} lists them" if reasons else "left out: nothing")
    if out.is_dir() and (lost := [name for name in ("group", "votes") if name in dataset.frame]):
        output.print_message(f"folders can't have the column {' and '.join(lost)}; a manifest (.csv) keeps them")
    return 0


add_config_options(fix, READING_SETTINGS)
app.command()(fix)


@app.command()
def formats(json: JsonOption = False) -> int:
    """List the data set formats, which are the values of --format."""
    from core.data.readers.reader_factory import READERS

    if json:
        output.print_json([{"name": reader.name, "description": reader.description} for reader in READERS.values()])
        return 0
    output.print_table(
        {"format": "left", "files": "left"},
        [((reader.name, reader.description), "") for reader in READERS.values()],
    )
    return 0


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    per_class: Annotated[
        int, typer.Option("--per-class", metavar="N", help="Faces of each class: 80 % for train, 20 % for validation.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Random seed. The same seed draws the same faces.")] = 0,
) -> int:
    """Draw a demo data set of faces with seven expressions."""
    from core.data.demo import CLASSES, write_faces

    if per_class < 2:
        raise ConfigError("per_class", f"must be at least 2, one for each split (got {per_class})")
    if seed < 0:
        raise ConfigError("seed", f"must be at least 0 (got {seed})")
    write_faces(directory, per_class, seed)
    output.print_message(f"drew {per_class * len(CLASSES):,} faces of {len(CLASSES)} classes into {directory}")
    return 0


@app.command()
def download(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
) -> int:
    """Download the article's data set from Kaggle. Needs fer-tui[kaggle]."""
    from core.data.download import download_article

    output.print_message(f"downloaded to {download_article(directory)}")
    return 0
