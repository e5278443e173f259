"""What the screens render from: the runs, the threads that look for changes, what the app remembers. No widgets."""
