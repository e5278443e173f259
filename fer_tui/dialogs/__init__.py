"""Dialogs above a screen: each asks for one thing and returns the answer. None opens another mode."""
