"""Dialogs above a screen: each asks one thing and returns the answer. They open no other mode."""
