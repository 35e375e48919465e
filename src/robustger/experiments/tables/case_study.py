"""Shows one utterance through every system as text, Markdown and HTML, with the errors of each system marked."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from robustger.evaluation.alignment import Alignment, align
from robustger.evaluation.page.differences import marked_lines
from robustger.evaluation.page.markup import Markup, element, join_markup, table_element
from robustger.evaluation.tables import Table
from robustger.experiments.conditions import noise_kind, snr_db
from robustger.hypotheses import NBest
from robustger.text import get_normalizer

REFERENCE_LINE, MISSING_WORD = "reference", "***"
_LINE_WIDTH = 100  # letters of a line of text


@dataclass(frozen=True, slots=True)
class Case:
    """An utterance with the text of every system, aligned with the reference.

    Attributes:
        nbest: the list.
        systems: the text of each system, by name; the 1-best comes first.
        hypotheses: of the list by number, best first.
        why: the reason why the utterance was chosen.
        normalizer: of the texts.
    """

    nbest: NBest
    systems: Mapping[str, Alignment]
    hypotheses: Mapping[str, Alignment]
    why: str
    normalizer: str

    @classmethod
    def of(cls, nbest: NBest, texts: Mapping[str, str], why: str, normalizer: str) -> Case:
        """From the text of every system; the 1-best is added.

        Args:
            nbest: a list with a reference.
            texts: by name of the system.
            why: the reason why the utterance was chosen.
            normalizer: a name in `robustger.text.NORMALIZERS`.
        """
        normalize = get_normalizer(normalizer)
        truth = normalize(nbest.reference or "").split()

        def aligned(text: str) -> Alignment:
            return align(truth, normalize(text).split())

        systems = {name: aligned(text) for name, text in {"1-best": nbest.best, **texts}.items()}
        numbered = {str(number): aligned(text) for number, text in enumerate(nbest.texts, start=1)}
        return cls(nbest, systems, numbered, why, normalizer)

    @property
    def words(self) -> int:
        """The number of words of the reference."""
        return len(next(iter(self.systems.values())).reference)

    @property
    def condition(self) -> str:
        """Noise and SNR, "babble, 5 dB", as far as the list names them."""
        parts = [] if self.nbest.meta.get("noise") is None else [noise_kind(self.nbest)]
        snr = snr_db(self.nbest)
        return ", ".join(parts if snr is None else [*parts, f"{snr} dB"])

    def errors(self, system: str) -> int:
        """The number of errors of a system: substitutions, deletions and insertions."""
        return sum(self.systems[system].edits)

    def rate(self, system: str) -> str:
        """The WER of a system in percent; the number of its words where the reference has none."""
        errors = self.errors(system)
        return f"{100 * errors / self.words:.1f}" if self.words else f"{errors} words"


def as_table(case: Case) -> Table:
    """The paper's layout: a row for each hypothesis and each system; wrong words bold, missing ones struck."""
    rows = [(f"hypothesis {name}", _markdown(text), "") for name, text in case.hypotheses.items()]
    rows += [(name, _markdown(text), case.rate(name)) for name, text in case.systems.items()]
    rows.append((REFERENCE_LINE, _escaped(" ".join(next(iter(case.systems.values())).reference)), ""))
    where = f" ({case.condition})" if case.condition else ""
    return Table(
        f"{case.nbest.id}{where}",
        ("method", "utterance", "WER (%)"),
        tuple(rows),
        notes=f"{case.why} Wrong words are bold, missing ones struck out; texts as the normalizer {case.normalizer} "
        "writes them.",
    )


def as_text(case: Case) -> str:
    """The systems line by line, word under word: wrong words in CAPITALS, missing words as ***."""
    lines = [f"{case.nbest.id}{f'  {case.condition}' if case.condition else ''}", case.why, ""]
    lines += _columns(case.hypotheses, dict.fromkeys(case.hypotheses, ""))
    lines += ["", *_columns(case.systems, {name: f"{case.rate(name)} %" for name in case.systems})]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_page(cases: Sequence[Case], title: str) -> str:
    """A complete HTML page in the style of the evaluation's report.

    Args:
        cases: shown one below the other.
        title: of the page.
    """
    parts = [element("h1", title)]
    for case in cases:
        head = f"{case.nbest.id} ({case.condition})" if case.condition else case.nbest.id
        rates = Table(
            "", ("system", "wrong words", "WER (%)"),
            tuple((name, str(case.errors(name)), case.rate(name)) for name in case.systems),
            notes=f"{case.words} words in the reference; normalizer {case.normalizer}.",
        )  # fmt: skip
        parts += [
            element("h2", head),
            element("p", case.why, class_="notes"),
            element("h3", "The list"),
            marked_lines(case.hypotheses, " "),
            element("h3", "The systems"),
            marked_lines(case.systems, " "),
            table_element(rates),
        ]
    legend = [
        element("b", "wrong", class_="wrong"),
        " substituted or inserted ",
        element("s", "wrong", class_="wrong"),
        " missing ",
        element("b", "fixed", class_="fixed"),
        " right, and wrong in the first line ",
        element("b", "broken", class_="broken"),
        " wrong, and right in the first line",
    ]
    parts.append(element("p", *legend, class_="hint legend"))
    return _page(title, join_markup(parts))


def _page(title: str, body: Markup) -> str:
    folder = resources.files("robustger.evaluation.page")
    template, style = ((folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    return Template(template).substitute(
        title=html.escape(title),
        policy="default-src 'none'; style-src 'unsafe-inline'",
        style=style,
        body=body,
        script="",
    )


def _columns(texts: Mapping[str, Alignment], notes: Mapping[str, str]) -> list[str]:
    """Lines of aligned words, broken into blocks where they grow too long; the reference is the last line."""
    reference = next(iter(texts.values())).reference
    names = [*texts, REFERENCE_LINE]
    columns: list[list[str]] = []
    for place in range(len(reference) + 1):
        for slot in range(max(len(text.inserted[place]) for text in texts.values())):
            column = [
                text.inserted[place][slot].upper() if slot < len(text.inserted[place]) else ""
                for text in texts.values()
            ]
            columns.append([*column, MISSING_WORD])
        if place < len(reference):
            columns.append([*(_word(text, place) for text in texts.values()), reference[place]])
    label = max(map(len, names)) + 2
    note = max((len(text) for text in notes.values()), default=0)
    lines: list[str] = []
    for block in _blocks(columns, _LINE_WIDTH - label - note):
        widths = [max(map(len, column)) for column in block]
        for row, name in enumerate(names):
            words = " ".join(column[row].ljust(width) for column, width in zip(block, widths, strict=True))
            end = notes.get(name, "") if block is columns or block[-1] is columns[-1] else ""
            lines.append(f"{name.ljust(label)}{words}  {end}")
        lines.append("")
    return lines[:-1]


def _blocks(columns: list[list[str]], width: int) -> list[list[list[str]]]:
    blocks: list[list[list[str]]] = [[]]
    used = 0
    for column in columns:
        size = max(map(len, column)) + 1
        if blocks[-1] and used + size > width:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += size
    return blocks


def _word(text: Alignment, place: int) -> str:
    written = text.written[place]
    if written is None:
        return MISSING_WORD
    return written if written == text.reference[place] else written.upper()


def _markdown(text: Alignment) -> str:
    words: list[str] = []
    for place, inserted in enumerate(text.inserted):
        words += (f"**{_escaped(word)}**" for word in inserted)
        if place == len(text.reference):
            break
        written = text.written[place]
        if written is None:
            words.append(f"~~{_escaped(text.reference[place])}~~")
        elif written != text.reference[place]:
            words.append(f"**{_escaped(written)}**")
        else:
            words.append(_escaped(written))
    return " ".join(words)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_~<\[])", r"\\\1", text)
