"""The reproduction: plans, their runs, the stored results and what they say together."""
