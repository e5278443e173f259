"""Compute the article's 0.1428, 0.4972 and 0.5017 from the order of its images and its shuffle buffer alone.

    python benchmarks/published_figures.py

It takes ten seconds and reads no images. Each row has a computed figure, its mean and standard deviation over the
seeds, and the figure in the article. docs/reproduction.md has the output.
"""

from __future__ import annotations

from core.comparison import article_figures as figures
from core.comparison.article_figures import Spread
from core.config.protocol import BATCH_SIZE, PUBLISHED

SEEDS = 200


def main() -> None:
    """Print the table."""
    images = sum(figures.COUNTS["validation"].values())
    pure, mixed = figures.label_entropy()
    rows = [
        (
            f"always 'fear', first {PUBLISHED.validation_image_count(images, BATCH_SIZE, 64):,} images",
            "0.1428, 0.1428",
            "fear",
            64,
        ),
        (
            f"always 'happy', first {PUBLISHED.validation_image_count(images, BATCH_SIZE, 128):,} images",
            "0.4972, 0.5017",
            "happy",
            128,
        ),
    ]
    print("| what | figure | over the whole split | the article |\n|---|---|---|---|")
    for what, printed, name, divisor in rows:
        spread = figures.constant_answer(name, divisor, SEEDS)
        print(f"| {what} | {format_spread(spread)} | {figures.whole_split_accuracy(name):.4f} | {printed} |")
    print(
        "| always the previous batch's most common class, in training | "
        f"{format_spread(figures.previous_class_accuracy())} | | 0.80 to 0.83 |"
    )
    print(f"| label entropy of a training batch, bits | {format_spread(pure)} | | |")
    print(f"| the same after a full shuffle | {format_spread(mixed)} | | |")
    same = figures.frequency_order("train") == figures.frequency_order("validation")
    print(
        f"\nThe frequency encoding fitted on validation has {'the same' if same else 'a different'} order of outputs."
    )


def format_spread(spread: Spread) -> str:
    """Return the mean and standard deviation as text."""
    return f"{spread.mean:.4f} ± {spread.deviation:.4f}"


if __name__ == "__main__":
    main()
