"""Compare runs with baselines and the article's results in one table, and write the table to files."""
