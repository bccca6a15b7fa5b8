"""The steps of `make book` around Sphinx: what the pages take from npm is fetched, and what was built is checked."""
