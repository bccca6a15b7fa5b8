"""Whole tables of results as Markdown, one file a subject."""
