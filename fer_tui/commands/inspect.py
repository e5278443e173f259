"""`fer-tui evaluate`, `predict` and `explain`: use a run's model."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigError, RunError
from core.runs.reader import find_run
from core.system import files
from core.system.log import log_to_file
from fer_tui.commands.options import JsonOption, RunArgument, RunsOption, resolve_runs_folder
from fer_tui.console import output
from fer_tui.console.terminal import app_log_path

if TYPE_CHECKING:
    from core.evaluation.inference import FacePrediction

FlipOption = Annotated[
    bool | None,
    typer.Option(
        "--flip-average/--no-flip-average",
        help="Average the predictions for an image and its mirror image. [default: the run's setting]",
        show_default=False,
    ),
]


def evaluate(
    context: typer.Context,
    run: RunArgument,
    data: Annotated[Path | None, typer.Option("--data", help="Data set to evaluate on.", show_default=False)] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Split: train, validation or test. [default: validation, or the only split]",
            show_default=False,
        ),
    ] = None,
    flip_average: FlipOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Evaluate a run's kept model on a split of any data set."""
    from core.data.readers.reader_factory import read_dataset
    from core.evaluation.inference import evaluate_run

    data = data or context.obj.data
    if data is None:
        raise ConfigError("data", "no data set given; name a folder of faces or a fer2013.csv")
    path = find_run(run, resolve_runs_folder(context, runs))
    dataset = read_dataset(data)
    output.print_warnings(dataset.problems)
    with log_to_file(app_log_path()):
        result, problems = evaluate_run(path, dataset, split, flip_average)
    output.print_warnings(problems)
    if json:
        output.print_json(result)
        return 0
    output.print_table(
        {"class": "left", "precision": "right", "recall": "right", "F1": "right", "images": "right"},
        [
            (
                (
                    name,
                    f"{row['precision']:.4f}",
                    f"{row['recall']:.4f}",
                    f"{row['f1']:.4f}",
                    f"{row['support']:,}",
                ),
                "",
            )
            for name, row in result["per_class"].items()
        ],
    )
    low, high = result["intervals"]["accuracy"]
    output.console().print(
        f"{path.name} on {result['split']}: accuracy {result['accuracy']:.4f} (95 %: {low:.3f} to {high:.3f}), "
        f"balanced {result['balanced_accuracy']:.4f}, macro F1 {result['macro_f1']:.4f} "
        f"over {result['images']:,} images (always the most common class: {result['majority_accuracy']:.4f})",
        markup=False,
        soft_wrap=True,
    )
    return 0


def predict(
    context: typer.Context,
    run: RunArgument,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Image files: photographs or cropped faces.", show_default=False),
    ],
    whole: Annotated[
        bool, typer.Option("--whole", help="Use each whole image as one face, without face detection.")
    ] = False,
    flip_average: FlipOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Predict the expressions of faces with a run's kept model."""
    from core.evaluation.inference import predict_images

    path = find_run(run, resolve_runs_folder(context, runs))
    with log_to_file(app_log_path()):
        answers = predict_images(path, images, flip_average=flip_average, whole=whole)
    for answer in answers:
        if answer.error:
            output.print_error(f"{answer.image}: {answer.error}")
        elif answer.note:
            output.print_message(f"{answer.image}: {answer.note}")
    if json:
        output.print_json([answer.as_json() for answer in answers])
    elif shown := [answer for answer in answers if not answer.error]:
        output.print_table(
            {"image": "left", "face": "left", "predicted": "left", "probability": "right", "next": "left"},
            [(_cells(answer), "") for answer in shown],
        )
    return 1 if any(answer.error for answer in answers) else 0


def _cells(answer: FacePrediction) -> tuple[str, ...]:
    (predicted, share), *others = answer.probabilities.items()
    return (
        str(answer.image),
        "{2}x{3} at {0},{1}".format(*answer.box) if answer.box else "whole image",
        predicted,
        f"{share:.1%}",
        ", ".join(f"{name} {share:.1%}" for name, share in others[:2]),
    )


def explain(
    context: typer.Context,
    run: RunArgument,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photograph or cropped face.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="PNG file to write.", show_default=False)],
    explained: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="Class to explain. [default: the predicted class]", show_default=False
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Use the whole image as one face, without face detection.")
    ] = False,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Draw a Grad-CAM heat map for a prediction of a run's kept model."""
    from core.evaluation.grad_cam import explain_image

    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target}: the picture is a PNG file; use a name that ends in .png")
    path = find_run(run, resolve_runs_folder(context, runs))
    with log_to_file(app_log_path()):
        found = explain_image(path, image, explained, whole=whole)
    if found.note:
        output.print_message(f"{image}: {found.note}")
    content = BytesIO()
    found.picture().save(content, "PNG")
    try:
        files.write_output(target, content.getvalue())
    except OSError as error:
        raise RunError(f"{target}: {error.strerror}; name a file that can be written") from None
    told = {"explained": found.target_class, "probability": found.probability, "predicted": found.predicted}
    if json:
        output.print_json({"run": path.name, "image": image, "output": target, **told})
    else:
        output.print_message(f"wrote {target}: heat map for '{found.target_class}' ({found.probability:.1%})")
    return 0
