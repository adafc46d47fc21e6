from __future__ import annotations

from xml.etree import ElementTree

from growsearch.drawing.svg import graph_svg
from growsearch.graph import NetworkGraph

SVG = "{http://www.w3.org/2000/svg}"


def test_the_drawing_is_valid_and_shows_every_box_once(graph: NetworkGraph) -> None:
    root = ElementTree.fromstring(graph_svg(graph))

    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert len(titles) == len(set(titles)) == len(root.findall(f"{SVG}g"))
    assert any(title.startswith("stem.0\nstem.1\nstem.2\nsite stem.0: frozen") for title in titles)
    assert "prefers-color-scheme: dark" in graph_svg(graph)


def test_boxes_have_the_colour_of_their_site_and_stay_inside_the_drawing(graph: NetworkGraph) -> None:
    root = ElementTree.fromstring(graph_svg(graph))

    boxes = {group.findtext(f"{SVG}title", "").split("\n")[0]: group for group in root.findall(f"{SVG}g")}
    rectangles = {name: group.find(f"{SVG}rect") for name, group in boxes.items()}
    classes = {name: rectangle.get("class") for name, rectangle in rectangles.items() if rectangle is not None}
    assert (classes["stem.0"], classes["input"]) == ("box frozen", "box plain")
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for rectangle in rectangles.values():
        assert rectangle is not None
        x, y, right, down = (float(rectangle.get(key, -1)) for key in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + right <= width and y + down <= height
