"""The explorer of the threshold: stored maps and errors, and its still picture."""
