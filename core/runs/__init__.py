"""The run directory: read, write, lock and resume it. This package does not import `core.training`."""
