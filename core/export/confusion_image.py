"""Draw confusion matrices as images, for trackers that show no tables."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from core.runs.predictions import row_normalized

CELL, MARGIN = 64, 104
COLD, HOT = (247, 251, 255), (8, 48, 107)


def draw_confusion_matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Image.Image:
    """Draw a confusion matrix. Cells with a larger share of their row are darker.

    Args:
        classes: the classes, in the order of the matrix.
        matrix: numbers of images; rows are true classes, columns predicted classes.

    Returns:
        An image of mode RGB.
    """
    side = MARGIN + CELL * len(classes)
    picture = Image.new("RGB", (side, side), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for at, name in enumerate(classes):
        # Pillow can't draw a line break with this anchor.
        cut = "".join(letter if letter.isprintable() else "?" for letter in name[:14])
        middle = MARGIN + CELL * at + CELL // 2
        draw.text((MARGIN - 6, middle), cut, "black", font, anchor="rm")
        draw.text((middle, MARGIN - 6), cut[:9], "black", font, anchor="ms")
    for i, shares in enumerate(row_normalized(matrix)):
        for j, share in enumerate(shares):
            left, top = MARGIN + CELL * j, MARGIN + CELL * i
            colour = tuple(round(cold + (hot - cold) * share) for cold, hot in zip(COLD, HOT, strict=True))
            draw.rectangle((left, top, left + CELL - 2, top + CELL - 2), fill=colour)
            ink = "white" if share > 0.5 else "black"
            draw.text((left + CELL // 2, top + CELL // 2), f"{matrix[i][j]:,}", ink, font, anchor="mm")
    draw.text((MARGIN, 8), "rows: true class, columns: predicted class", "black", font)
    return picture
