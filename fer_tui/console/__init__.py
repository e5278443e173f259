"""What commands and screens print to: streams, progress bars, the terminal itself, colours. No Textual widgets."""
