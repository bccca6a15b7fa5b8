"""The book as two files to take along: a PDF and an EPUB, made of the built site by a browser."""
