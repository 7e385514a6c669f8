"""What is measured while a training runs; nothing of it is loaded unless a run is observed."""
