"""The chapters as files: `execute` runs them, `doors` writes where they open and their first cell."""
