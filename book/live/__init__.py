"""Networks, pictures and runtime of the page on which two networks run in the reader's browser."""
