"""The run directory: reading, writing, locking and resuming it. How a run came to be is not known here."""
