"""`fer-tui models`."""

from __future__ import annotations

from core.models.registry import MODELS
from fer_tui.commands.options import JsonOption
from fer_tui.console import output


def models(json: JsonOption = False) -> int:
    """List the models with their inputs and sources. --json adds their recipes."""
    if json:
        output.print_json(
            [
                {
                    "name": spec.name,
                    "title": spec.title,
                    "parameters": spec.parameters,
                    "macs": spec.macs,
                    "input": [spec.image_size, spec.image_size, spec.channels],
                    "source": spec.source,
                    "recipe": dict(spec.recipe),
                }
                for spec in MODELS.values()
            ]
        )
        return 0
    output.print_table(
        {"model": "left", "weights": "right", "input": "left", "title": "left", "source": "left"},
        [
            (
                (
                    spec.name,
                    f"{spec.parameters:,}",
                    f"{spec.image_size}x{spec.image_size} {'grey' if spec.channels == 1 else 'colour'}",
                    spec.title,
                    spec.source,
                ),
                "",
            )
            for spec in MODELS.values()
        ],
    )
    return 0
