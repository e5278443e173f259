"""The operating system and hardware: files, logs, processes and devices."""
