"""The figures of the chapters, one file a subject; `style` holds the look that all share."""
