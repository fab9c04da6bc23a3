"""Statistics of the book: intervals, collapse, theory. numpy and scipy only; nothing here knows a network."""
