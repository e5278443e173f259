"""The screens; for now a pointer to the commands that do their work."""

from __future__ import annotations

from fer_tui.output import say


def run() -> int:
    """Open the screens."""
    say("The screens are not built yet; every command is. Begin with 'fer-tui data demo faces', then")
    say(
        "'fer-tui train --data faces --model compact --model model2' and 'fer-tui compare'. 'fer-tui --help' lists all."
    )
    return 0
