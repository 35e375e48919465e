"""Builds HTML in which every text is escaped, unless it is markup already."""

from __future__ import annotations

import html
from collections.abc import Iterable

from robustger.evaluation.tables import Table


class Markup(str):
    """A string that is HTML already, and is not escaped again."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Escapes a text for HTML. Lone surrogates, which no file can hold, become question marks."""
    return text if isinstance(text, Markup) else Markup(html.escape(text.encode(errors="replace").decode()))


def element(name: str, *children: str, **attributes: str | None) -> Markup:
    """An element.

    Args:
        name: the name of the element.
        children: texts, which are escaped, and markup.
        attributes: attributes by name. An underscore at the end is dropped, other underscores become hyphens ("class_",
            "data_value"). An attribute that is None is left out.
    """
    written = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{join_markup(children)}</{name}>")


def join_markup(parts: Iterable[str], separator: str = "") -> Markup:
    """Joins texts and markup into one piece of markup."""
    return Markup(separator.join(escaped(part) for part in parts))


def table_element(table: Table) -> Markup:
    """An HTML table of figures, with its title above and its notes below."""
    head = element("tr", *(element("th", column, scope="col") for column in table.columns))
    rows = [
        element("tr", element("th", cells[0], scope="row"), *(element("td", cell) for cell in cells[1:]))
        for cells in table.rows
    ]
    parts = [
        element("h3", table.title),
        element(
            "div",
            element("table", element("thead", head), element("tbody", *rows), class_="figures"),
            class_="scroll",
        ),
    ]
    if table.notes:
        parts.append(element("p", table.notes, class_="notes"))
    return join_markup(parts)
