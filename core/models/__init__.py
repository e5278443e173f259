"""The models: a registry of their properties, and one module per model family that builds the layers."""
