"""Many runs: queues, workers, searches and clusters. One run from start to end is `core.training`."""
