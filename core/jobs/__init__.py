"""Queues, workers, searches and clusters of runs, and a run for a notebook; `core.training` trains a single run."""
