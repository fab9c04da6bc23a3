"""The book's figures: their style, what they are made of, and a module for those of a chapter.

A figure of a chapter is a function that is given data and draws; it returns nothing, and the page shows it.
"""

from spectral.book.figures.drawing import (
    diagonal,
    forest,
    heat,
    histogram,
    legend_below,
    line,
    matrix,
    name_ends,
    network,
    numbered,
    pairs,
    points,
    reference,
    shares,
    spectrum,
)
from spectral.book.figures.style import (
    COLUMN,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROLES,
    axes_of,
    shades,
    size_colours,
    use_style,
)

__all__ = [
    "COLUMN",
    "NEGATIVE",
    "NEUTRAL",
    "POSITIVE",
    "ROLES",
    "axes_of",
    "diagonal",
    "forest",
    "heat",
    "histogram",
    "legend_below",
    "line",
    "matrix",
    "name_ends",
    "network",
    "numbered",
    "pairs",
    "points",
    "reference",
    "shades",
    "shares",
    "size_colours",
    "spectrum",
    "use_style",
]
