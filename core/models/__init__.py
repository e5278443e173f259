"""The models: a registry of what they are, and one file a family that builds them."""
