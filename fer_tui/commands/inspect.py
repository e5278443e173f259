"""`fer-tui predict` and `explain`: use a run's model on images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import ConfigError, RunError
from core.runs.reader import find_run
from core.system import files
from core.system.log import log_to_file
from fer_tui.commands.options import JsonOption, RunArgument, RunsOption, resolve_runs_folder
from fer_tui.commands.setting_options import add_config_options, given_settings
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
    **flags: Any,
) -> int:
    """Predict the expressions of faces with a run's kept model."""
    from core.evaluation.inference import predict_images

    settings = given_settings(flags)
    path = find_run(run, resolve_runs_folder(context, runs))
    with log_to_file(app_log_path()):
        answers = predict_images(path, images, flip_average=flip_average, whole=whole, **settings)
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


add_config_options(predict, ("classes",))


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
