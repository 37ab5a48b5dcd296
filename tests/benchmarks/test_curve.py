from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from benchmarks.curve import Series, drawn

SVG = "{http://www.w3.org/2000/svg}"
# A character of 12 px sans-serif is narrower than this, and lines are this high.
CHARACTER = 8
LINE = 12


def picture(*series: Series) -> ET.Element:
    return ET.fromstring(drawn([20_000, 200_000, 2_000_000], series, unit="entries"))  # noqa: S314


def boxes(root: ET.Element) -> list[tuple[float, float, float, float, str]]:
    found = []
    for text in root.iter(f"{SVG}text"):
        words = text.text or ""
        width = CHARACTER * len(words)
        x = float(text.attrib["x"])
        left = x - {"middle": width / 2, "end": width}.get(text.get("text-anchor", ""), 0)
        y = float(text.attrib["y"])
        found.append((left, y - LINE, left + width, y, words))
    return found


def test_no_words_of_the_picture_lie_on_others_or_outside():
    root = picture(
        Series("no change, s", "blue", [1.22, 1.94, 21.35]),
        Series("peak, MiB", "red", [39, 53, 89]),
        Series("notes, MB", "green", [0.4, 2.7, 25.5]),
    )
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    found = boxes(root)
    assert {"20,000", "200,000", "2,000,000", "0.1", "100"} <= {words for *_, words in found}
    for number, (left, top, right, bottom, words) in enumerate(found):
        assert left >= 0, words
        assert top >= 0, words
        assert right <= width, words
        assert bottom <= height, words
        for other in found[:number]:
            beside = left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
            assert beside, (words, other[4])


def test_what_grows_as_fast_as_entries_runs_beside_the_grey_line():
    root = picture(Series("linear", "blue", [3, 30, 300]), Series("constant", "red", [5, 5, 5]))
    linear, constant = (
        [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    )
    grey = next(path for path in root.iter(f"{SVG}path") if "stroke-dasharray" in path.attrib)
    x, y, end_x, end_y = map(float, re.findall(r"[\d.]+", grey.attrib["d"]))
    slope = (end_y - y) / (end_x - x)
    assert slope < 0
    for (left, high), (right, low) in pairwise(linear):
        assert abs((low - high) / (right - left) - slope) < 0.01
    assert len({height for _, height in constant}) == 1
