"""Charts of several layers."""

import altair as alt


def layered(height: int, *layers: alt.Chart) -> alt.LayerChart:
    """They share their axes; the first lies lowest. height: in pixels, legend and axes included."""
    return alt.LayerChart(layer=list(layers), height=height)
