"""The table that compares runs with baselines and the article, and its files. It trains and predicts nothing."""
