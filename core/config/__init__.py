"""What one run is told: its settings, presets and protocols. Nothing is read or trained here."""
