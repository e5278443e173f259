"""Data, models, training and runs of fer-tui: everything but the screen."""
