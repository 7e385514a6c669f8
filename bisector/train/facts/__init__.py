"""What can be measured before any step: one module per family of facts, numbers and words only."""
