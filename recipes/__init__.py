"""Small baselines to learn from; each is one file that a beginner can read."""
