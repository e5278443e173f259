"""Training of one run: devices, model, epochs and evaluation."""
