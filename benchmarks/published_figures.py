"""How the article's 0.1428, 0.4972 and 0.5017 come about, from its listing and its shuffle buffer alone.

    python benchmarks/published_figures.py

Takes ten seconds and reads no image. A line a figure: what is computed, what comes out over so many seeds, and what the
article prints; docs/reproduction.md quotes the output.
"""

from __future__ import annotations

from core.comparison import article_figures as figures
from core.comparison.article_figures import Spread
from core.config.protocol import BATCH, PUBLISHED

SEEDS = 200


def main() -> None:
    """Print the table."""
    images = sum(figures.COUNTS["validation"].values())
    pure, mixed = figures.label_entropy()
    rows = [
        (f"always 'fear', first {PUBLISHED.validated(images, BATCH, 64):,} images", "0.1428, 0.1428", "fear", 64),
        (f"always 'happy', first {PUBLISHED.validated(images, BATCH, 128):,} images", "0.4972, 0.5017", "happy", 128),
    ]
    print("| what | figure | over the whole split | the article |\n|---|---|---|---|")
    for what, printed, name, divisor in rows:
        spread = figures.constant_answer(name, divisor, SEEDS)
        print(f"| {what} | {told(spread)} | {figures.whole_split_share(name):.4f} | {printed} |")
    print(
        f"| the commonest class of the batch before, in training | {told(figures.previous_class())} | | 0.80 to 0.83 |"
    )
    print(f"| label entropy of a training batch, bits | {told(pure)} | | |")
    print(f"| the same after a full shuffle | {told(mixed)} | | |")
    same = figures.frequency_order("train") == figures.frequency_order("validation")
    print(f"\nThe frequency encoding fitted on validation has {'the same' if same else 'another'} order of outputs.")


def told(spread: Spread) -> str:
    """Mean and deviation."""
    return f"{spread.mean:.4f} ± {spread.deviation:.4f}"


if __name__ == "__main__":
    main()
