"""What is shown: every way of putting events and findings on a screen or into a pipe."""
