"""Predictions of a kept model, and the metrics and statistics of predictions. It does not import `core.training`."""
