"""Code that runs in a page: which cells can, what runs them, and Python for browsers."""
