"""Plots as SVG: panels side by side, with lines, whiskers from the lowest to the highest value, and a legend."""
import math
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 34, 48
LEGEND = 30
FONT = "font-family='sans-serif' font-size='12'"
COLOURS = ["#666666", "#c2410c", "#1d4ed8", "#15803d", "#7e22ce"]


class Panel(NamedTuple):
    """Lines by their names: points of (x, middle, lowest, highest)."""

    title: str
    x_label: str
    y_label: str
    lines: dict
    bytes_on_x: bool = False


def short(value, in_bytes=False):
    """1500000 as 1.5M, or in bytes as 1.4 MiB."""
    step, units = (1024, ["", " KiB", " MiB", " GiB"]) if in_bytes else (1000, ["", "k", "M", "G"])
    power = 0
    while value >= step and power < 3:
        value, power = value / step, power + 1
    return f"{value:.3g}{units[power] or (' B' if in_bytes else '')}"


class Scale:
    """A logarithmic axis from `begin` to `end` on the paper, over at least one decade."""

    def __init__(self, values, begin, end, base=10):
        self.base = base
        low, high = math.log(min(values), base), math.log(max(values), base)
        self.low, self.high = math.floor(low + 1e-9), math.ceil(high - 1e-9)
        if self.high == self.low:
            self.high += 1
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log(value, self.base) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        return [self.base**power for power in range(self.low, self.high + 1)]


def axes(panel, x, y):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    yield f"<text x='{(LEFT + right) / 2}' y='20' text-anchor='middle' font-weight='bold'>{escape(panel.title)}</text>"
    for value in x.ticks():
        at = x(value)
        yield f"<path d='M{at:.1f} {TOP}V{bottom}' stroke='#e5e5e5'/>"
        yield f"<text x='{at:.1f}' y='{bottom + 17}' text-anchor='middle'>{short(value, panel.bytes_on_x)}</text>"
    for value in y.ticks():
        at = y(value)
        yield f"<path d='M{LEFT} {at:.1f}H{right}' stroke='#e5e5e5'/>"
        yield f"<text x='{LEFT - 6}' y='{at + 4:.1f}' text-anchor='end'>{short(value)}</text>"
    yield f"<path d='M{LEFT} {TOP}V{bottom}H{right}' stroke='#000' fill='none'/>"
    yield f"<text x='{(LEFT + right) / 2}' y='{HEIGHT - 10}' text-anchor='middle'>{escape(panel.x_label)}</text>"
    yield (f"<text transform='translate(16 {(TOP + bottom) / 2}) rotate(-90)' text-anchor='middle'>"
           f"{escape(panel.y_label)}</text>")


def line(points, colour, x, y):
    """One client's: the line, its points, and a whisker at each."""
    path = " ".join(f"{x(at):.1f},{y(middle):.1f}" for at, middle, _, _ in points)
    yield f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'/>"
    for at, middle, low, high in points:
        across = x(at)
        yield f"<path d='M{across:.1f} {y(low):.1f}V{y(high):.1f}' stroke='{colour}' opacity='.6'/>"
        yield f"<circle cx='{across:.1f}' cy='{y(middle):.1f}' r='2.8' fill='{colour}'/>"


def plot(panels):
    """The text of an SVG file. A client has one colour in all panels; all values must be above zero."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    width, height = WIDTH * len(panels), HEIGHT + LEGEND
    text = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' {FONT}>",
            f"<rect width='{width}' height='{height}' fill='#fff'/>"]
    for number, panel in enumerate(panels):
        points = [point for line_points in panel.lines.values() for point in line_points]
        base = 4 if panel.bytes_on_x else 10
        x = Scale([point[0] for point in points], LEFT, WIDTH - RIGHT, base * base if panel.bytes_on_x else base)
        y = Scale([value for point in points for value in point[1:]], HEIGHT - BOTTOM, TOP)
        text.append(f"<g transform='translate({number * WIDTH} 0)'>")
        text.extend(axes(panel, x, y))
        for name, line_points in panel.lines.items():
            text.extend(line(line_points, colours[name], x, y))
        text.append("</g>")
    for number, name in enumerate(names):
        at = LEFT + 120 * number
        text.append(f"<path d='M{at} {HEIGHT + 12}h22' stroke='{colours[name]}' stroke-width='3'/>"
                    f"<text x='{at + 28}' y='{HEIGHT + 16}'>{escape(name)}</text>")
    return "\n".join([*text, "</svg>", ""])
