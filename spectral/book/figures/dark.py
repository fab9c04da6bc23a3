"""The dark variant of a figure: the same drawing in other colours.

Colours are changed in the perceptual space Oklab (B. Ottosson, 2020), where L is the lightness, 0 to 1. Greys are
turned round, so that white becomes the page's dark ground; colours keep their hue and become lighter. An image, which
is a map of colours, is turned round as a whole: its centre, white, is then the ground.
"""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.image import imread, imsave

GROUND, INK = "#121212", "#e8eaed"
"""The ground of a dark page, and what is black on white."""

GREY = 0.03
"""Chroma below which a colour is a grey."""

# Linear sRGB to the responses of cones, and these, as cube roots, to L, a, b.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def dark(colour: str) -> str:
    """The colour, as ``#rrggbb``, of a line, a filling or a text on a dark page."""
    rgb = np.array(to_rgb(colour))
    lab = _oklab(rgb)
    if np.hypot(lab[1], lab[2]) < GREY:
        return _hex(_turned(rgb))
    return _hex(_rgb(np.array([0.5 + 0.4 * lab[0], *lab[1:]])))


def dark_svg(svg: str) -> str:
    """A figure as matplotlib writes it, on a dark page."""
    svg = re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", lambda found: _image(found[1]), svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: dark(found[0]), svg)
    return svg.replace("<svg ", f'<svg fill="{INK}" ', 1)  # black is what SVG fills with if nothing is said


def _hex(rgb: np.ndarray) -> str:
    red, green, blue = rgb.tolist()
    return to_hex((red, green, blue))


def _image(encoded: str) -> str:
    """A bitmap, turned round; what can be seen through can still be."""
    pixels = imread(io.BytesIO(base64.b64decode(encoded)))
    pixels[..., :3] = _turned(pixels[..., :3])
    out = io.BytesIO()
    imsave(out, pixels, format="png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _turned(rgb: np.ndarray) -> np.ndarray:
    """Light as dark as it was dark: white is `GROUND`, black is `INK`. Shape (..., 3), as all below."""
    ends = _oklab(np.array([to_rgb(INK), to_rgb(GROUND)]))  # of black and of white
    lab = _oklab(rgb)
    grey = ends[0] + lab[..., :1] * (ends[1] - ends[0])
    return _rgb(grey + lab * [0, 1, 1])


def _oklab(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _CONES.T) @ _LAB.T


def _rgb(lab: np.ndarray) -> np.ndarray:
    linear = ((lab @ np.linalg.inv(_LAB).T) ** 3 @ np.linalg.inv(_CONES).T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).clip(0, 1)
