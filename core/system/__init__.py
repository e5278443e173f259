"""This machine: files, log, processes, hardware. Nothing of faces, models or runs."""
