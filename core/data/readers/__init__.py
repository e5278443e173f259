"""The readers, one module per data set format; `reader_factory` chooses the reader. Readers decode no images."""
