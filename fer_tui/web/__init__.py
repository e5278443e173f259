"""The web server that shows the screens in a browser."""
