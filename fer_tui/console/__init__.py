"""What commands and screens print to: streams, progress bars, the terminal itself. No Textual widgets."""
