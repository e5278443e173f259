"""A text field that shows what would steer the terminal, in place of sending it."""

from __future__ import annotations

from fer_tui.textual_private import DisplayTextInput

CONTROL_PICTURES = 0x2400
DELETE = "\u2421"
UNKNOWN = "\ufffd"


def replace_control_characters(text: str) -> str:
    """Text with a sign in place of each character that is not printable, so that places in it stay what they are."""
    return "".join(character if character.isprintable() else _sign(character) for character in text)


def _sign(character: str) -> str:
    if character < " ":
        return chr(CONTROL_PICTURES + ord(character))
    return DELETE if character == "\x7f" else UNKNOWN


class SafeInput(DisplayTextInput):
    """A text field for what may come from disk; its value is what it is, only its look is safe."""

    def display_text(self) -> str:
        """The value, with a sign for each character that would steer."""
        return replace_control_characters(self.value)
