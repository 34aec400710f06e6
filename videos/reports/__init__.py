"""Reports on what the team made: usage sums, their roll-ups, and plots."""
