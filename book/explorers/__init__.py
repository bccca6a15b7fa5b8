"""Data and still pictures for the explorers in the pages."""
