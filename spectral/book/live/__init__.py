"""What the live figures show: numbers of stored results, made ready for a page."""
