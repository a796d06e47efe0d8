"""Colours that colour-blind readers can tell apart (Okabe and Ito 2008), and the charts' shape."""

BLUE, ORANGE, RED = "#0072b2", "#e69f00", "#d55e00"
GREEN, SKY, PURPLE, YELLOW, BLACK = "#009e73", "#56b4e9", "#cc79a7", "#f0e442", "#4d4d4d"
SERIES = [BLUE, ORANGE, GREEN, RED, SKY, PURPLE, BLACK, YELLOW]
OUTCOMES = {"answered": BLUE, "refused": ORANGE, "failed": RED}
CHART_HEIGHT = 260
