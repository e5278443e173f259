"""fer-tui: the command line and the screens."""
