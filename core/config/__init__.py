"""The settings of a run, presets and protocols. This package reads no data and trains nothing."""
