"""From files to frames, arrays and batches. Nothing here knows of models or runs."""
