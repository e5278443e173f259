"""Queues, workers, searches and clusters for many runs. `core.training` trains a single run."""
