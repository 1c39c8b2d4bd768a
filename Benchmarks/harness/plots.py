"""Draws plots as plain SVG. They follow the light or dark theme of the page, and a diff shows what has changed."""
import math
from html import escape

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600; font-size: 15px; fill: #1f2328 }
.ours { fill: #0969da } .other { fill: #afb8c1 } .axis { stroke: #d0d7de; stroke-width: 1 } .strong { fill: #1f2328 }
path { fill: none; stroke-width: 2 } .spread { stroke: #57606a; stroke-width: 1.5 }
.l0 { stroke: #0969da; stroke-width: 3 } .l1 { stroke: #cf222e } .l2 { stroke: #1a7f37 } .l3 { stroke: #9a6700 } .l4 { stroke: #8250df }
.t0 { fill: #0969da; font-weight: 600 } .t1 { fill: #cf222e } .t2 { fill: #1a7f37 } .t3 { fill: #9a6700 } .t4 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text, .spread { fill: #9198a1; stroke-width: 0 } .spread { stroke: #9198a1; stroke-width: 1.5 }
.title, .strong { fill: #f0f6fc } .ours { fill: #4493f8 } .other { fill: #545d68 } .axis { stroke: #3d444d }
.l0 { stroke: #4493f8 } .l1 { stroke: #f85149 } .l2 { stroke: #3fb950 } .l3 { stroke: #d29922 } .l4 { stroke: #ab7df8 }
.t0 { fill: #4493f8 } .t1 { fill: #f85149 } .t2 { fill: #3fb950 } .t3 { fill: #d29922 } .t4 { fill: #ab7df8 } }
</style>"""


def svg(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
            f"{STYLE}\n" + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind="axis"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def bars(title, rows, show):
    """Each of `rows` is a name, whether it is ours, the median, and the first and third quartile."""
    left, width, step, top = 370, 800, 26, 44
    most = max(row[4] for row in rows)
    scale = (width - left - 110) / most
    parts = [text(12, 24, title, "title")]
    for index, (name, is_ours, median, first, third) in enumerate(rows):
        y = top + index * step
        parts.append(text(left - 10, y + 14, name, "strong" if is_ours else "", "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{max(median * scale, 1):.1f}" height="18" rx="2" '
                     f'class="{"ours" if is_ours else "other"}"/>')
        parts.append(line(left + first * scale, y + 9, left + third * scale, y + 9, "spread"))
        parts.append(text(left + third * scale + 8, y + 14, show(median), "strong" if is_ours else ""))
    return svg(width, top + len(rows) * step + 10, parts)


def powers(low, high, base):
    return [base ** power for power in range(math.floor(math.log(low, base) + 1e-9), math.ceil(math.log(high, base) - 1e-9) + 1)]


def lines(title, axis, series, show_x, show_y):
    """Each of `series` is a name and its points. The first is ours. Both axes are logarithmic."""
    left, right, top, bottom, width, height = 84, 190, 44, 50, 800, 380
    xs = sorted({x for _, points in series for x, _ in points})
    ys = powers(min(y for _, points in series for _, y in points), max(y for _, points in series for _, y in points), 10)
    if len(ys) < 2:
        ys.append(ys[0] * 10)

    def at(x, y):
        across = math.log(x / xs[0]) / math.log(xs[-1] / xs[0])
        up = math.log(y / ys[0]) / math.log(ys[-1] / ys[0])
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    parts = [text(12, 24, title, "title"), text((left + width - right) / 2, height - 8, axis, "", "middle")]
    for y in ys:
        x1, y1 = at(xs[0], y)
        parts += [line(x1, y1, at(xs[-1], y)[0], y1), text(x1 - 8, y1 + 4, show_y(y), "", "end")]
    for x in xs:
        parts.append(text(at(x, ys[0])[0], height - bottom + 18, show_x(x), "", "middle"))
    ends = []
    for index, (name, points) in enumerate(series):
        path = " L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in points)
        parts.insert(2, f'<path d="M{path}" class="l{index}"/>')  # ours on top
        ends.append([at(*points[-1])[1], index, name])
    lowest = -math.inf
    for y, index, name in sorted(ends):  # names at the ends of the lines, none on top of another
        lowest = max(y, lowest + 17)
        parts.append(text(width - right + 10, lowest + 4, name, f"t{index}"))
    return svg(width, height, parts)
