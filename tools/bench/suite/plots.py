"""Pictures for docs/PERFORMANCE.md: SVG that is readable on light and on dark ground, with no fonts or scripts of others."""
import math
from xml.sax.saxutils import escape

STYLE = """
  .ground { fill: #ffffff; } text { fill: #24292f; font: 13px system-ui, sans-serif; } .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #57606a; font-size: 12px; } .grid { stroke: #d0d7de; stroke-width: 1; } .axis { stroke: #6e7781; stroke-width: 1; }
  .line { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 6 4; } .open { fill: none; stroke-width: 2; }
  .c0 { stroke: #0969da; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; } .c4 { stroke: #57606a; } .c5 { stroke: #bf3989; }
  .f0 { fill: #0969da; } .f1 { fill: #bc4c00; } .f2 { fill: #1a7f37; } .f3 { fill: #8250df; } .f4 { fill: #57606a; } .f5 { fill: #bf3989; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; } .grid { stroke: #30363d; } .axis { stroke: #7d8590; }
    .c0 { stroke: #58a6ff; } .c1 { stroke: #f0883e; } .c2 { stroke: #3fb950; } .c3 { stroke: #bc8cff; } .c4 { stroke: #9198a1; } .c5 { stroke: #f778ba; }
    .f0 { fill: #58a6ff; } .f1 { fill: #f0883e; } .f2 { fill: #3fb950; } .f3 { fill: #bc8cff; } .f4 { fill: #9198a1; } .f5 { fill: #f778ba; }
  }
"""


def short(value):
    """A number for an axis: 1M, 10k, 100, 0.1."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Log:
    """A scale of powers of ten from `low` to `high`, over the pixels from `start` to `end`."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self.start, self.end = start, end

    def at(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        return [10.0**power for power in range(self.low, self.high + 1)]


class Picture:
    def __init__(self, width, height, title, subtitle):
        self.width, self.height = width, height
        self.parts = []
        self.text(20, 28, title, "title")
        self.text(20, 48, subtitle, "quiet")

    def text(self, x, y, words, kind="", anchor="start", turn=None):
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"{turned}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def path(self, points, kind):
        self.parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="line {kind}"/>')

    def dot(self, x, y, shape, colour):
        if shape == "ring":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="open c{colour}"/>')
        elif shape == "square":
            self.parts.append(f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" class="f{colour}"/>')
        else:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="f{colour}"/>')

    def write(self, path):
        body = "\n".join(self.parts)
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" role="img">\n'
                f'<style>{STYLE}</style>\n<rect class="ground" width="100%" height="100%"/>\n{body}\n</svg>\n'
            )


def rows(path, title, subtitle, axis, entries, kinds):
    """One row for each entry, a mark for each of its values: entries are (words, {kind: value}), kinds {kind: (shape, colour)}."""
    left, right, top, step = 330, 30, 104, 24
    width, height = 900, top + step * len(entries) + 56
    picture = Picture(width, height, title, subtitle)
    scale = Log([value for _, values in entries for value in values.values()], left, width - right)
    bottom = top + step * len(entries) - 8
    x = 20
    for kind, (shape, colour) in kinds.items():
        picture.dot(x + 6, 72, shape, colour)
        picture.text(x + 18, 76, kind)
        x += 40 + 7.2 * len(kind)
    for tick in scale.ticks():
        picture.line(scale.at(tick), top - 14, scale.at(tick), bottom, "grid")
        picture.text(scale.at(tick), bottom + 18, short(tick), "quiet", "middle")
    picture.text((left + width - right) / 2, bottom + 40, axis, "quiet", "middle")
    for number, (words, values) in enumerate(entries):
        y = top + step * number
        picture.text(left - 14, y + 4, words, "", "end")
        places = [scale.at(value) for value in values.values()]
        picture.line(min(places), y, max(places), y, "axis")
        for kind, value in values.items():
            picture.dot(scale.at(value), y, *kinds[kind])
    picture.write(path)


def lines(path, title, subtitle, axes, series, log_x=True):
    """Lines over a common axis: series are (words, [(x, y)], dashed, colour)."""
    left, right, top, width, height = 80, 260, 76, 920, 440
    picture = Picture(width, height, title, subtitle)
    points = [point for _, line, _, _ in series for point in line]
    down = Log([y for _, y in points], height - 62, top)
    if log_x:
        across = Log([x for x, _ in points], left, width - right)
        place, ticks = across.at, across.ticks()
    else:
        most = max(x for x, _ in points)
        place = lambda x: left + x / most * (width - right - left)
        # round numbers, six of them at most
        power = 10 ** math.floor(math.log10(most))
        step = next(part * power for part in (0.1, 0.2, 0.5, 1, 2, 5) if most / (part * power) <= 6)
        ticks = [step * number for number in range(int(most / step) + 1)]
    for tick in down.ticks():
        picture.line(left, down.at(tick), width - right, down.at(tick), "grid")
        picture.text(left - 10, down.at(tick) + 4, short(tick), "quiet", "end")
    for tick in ticks:
        picture.line(place(tick), top, place(tick), height - 62, "grid")
        picture.text(place(tick), height - 42, short(tick), "quiet", "middle")
    picture.text((left + width - right) / 2, height - 16, axes[0], "quiet", "middle")
    picture.text(24, (top + height - 62) / 2, axes[1], "quiet", "middle", turn=-90)
    ends = []
    for words, line, dashed, colour in series:
        drawn = [(place(x), down.at(y)) for x, y in line]
        picture.path(drawn, f"c{colour}" + (" dashed" if dashed else ""))
        for x, y in drawn:
            picture.dot(x, y, "square" if dashed else "dot", colour)
        ends.append((drawn[-1][1], words, colour))
    # labels are at the ends of their lines and do not overlap
    ends.sort()
    y = top - 20
    for number, (wanted, words, colour) in enumerate(ends):
        wanted = min(wanted, height - 12 - 17 * (len(ends) - number))
        y = max(wanted, y + 17)
        picture.line(width - right + 6, ends[number][0], width - right + 18, y, f"c{colour}")
        picture.text(width - right + 22, y + 4, words)
    picture.write(path)
