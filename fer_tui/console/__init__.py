"""Console output of the commands: streams, tables, progress bars and colours. No Textual widgets."""
