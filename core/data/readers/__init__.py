"""One data set format a file; `choose` picks the reader that a place needs. Readers decode no image."""
