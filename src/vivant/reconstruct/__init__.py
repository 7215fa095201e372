"""From views to a better avatar."""
