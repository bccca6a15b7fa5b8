"""What was predicted before a measurement, beside what was measured. No torch."""
