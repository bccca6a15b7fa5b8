"""The chapters as files: `execute` runs them and stores their outputs, `first_cell` writes the first cell."""
