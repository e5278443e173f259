"""Data sets: from files to frames, arrays and batches. This package depends on neither models nor runs."""
