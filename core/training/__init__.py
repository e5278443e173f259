"""One run, from its config to its last status: devices, model, epochs, evaluation. It knows of no other run."""
