"""Data, models, training and runs of fer-tui: everything but the screen."""

import os

# TensorFlow leaves oneDNN off on processors without AVX-512, where it trains compact 1.5 times as fast all the same
# (benchmarks/step.py). It reads this when it is imported; whoever has set it is obeyed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
