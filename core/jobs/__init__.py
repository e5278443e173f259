"""Queues, workers, searches and clusters for many runs, and `train` for notebooks. `core.training` trains one run."""
