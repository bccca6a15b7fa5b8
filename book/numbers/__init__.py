"""Numbers and tables of the pages and chapters, filled from `data/`."""
