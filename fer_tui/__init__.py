"""The command line and the screens of fer-tui."""
