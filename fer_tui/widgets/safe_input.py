"""A text field that replaces control characters on display, so that they do not reach the terminal."""

from __future__ import annotations

from fer_tui.textual_private import DisplayTextInput

CONTROL_PICTURES = 0x2400
DELETE = "\u2421"
UNKNOWN = "\ufffd"


def replace_control_characters(text: str) -> str:
    """Replace each unprintable character by one symbol, so that the length does not change."""
    return "".join(character if character.isprintable() else _sign(character) for character in text)


def _sign(character: str) -> str:
    if character < " ":
        return chr(CONTROL_PICTURES + ord(character))
    return DELETE if character == "\x7f" else UNKNOWN


class SafeInput(DisplayTextInput):
    """A text field for text from disk; it displays a safe text and keeps the value."""

    def display_text(self) -> str:
        """Return the value with control characters replaced."""
        return replace_control_characters(self.value)
