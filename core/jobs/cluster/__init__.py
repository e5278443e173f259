"""A queue of runs over the devices of one machine or of several, by Ray. What a run does there is `core.training`."""
