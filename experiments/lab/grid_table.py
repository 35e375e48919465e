"""The grid's tables: error rates and losses of all arms, and their differences to the arms that tell what they mean.

Intervals are at 95 %, from a bootstrap over sentences: all lists of a sentence, at every SNR and in every arm and
seed, are drawn as one, so differences are paired. They hold for the seeds that were run: how much another seed would
change is what the column of single seeds shows.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from grid_lists import SNRS_DB, sentence, snr_db
from grid_plan import ARMS, MATCHED
from grid_process import RESULTS
from grid_run import NORMALIZER

from robustger.errors import InputError
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.significance import percentile_interval, resampled_sums
from robustger.evaluation.wer import count_errors
from robustger.hypotheses import NBest, atomic_writer, load_nbest
from robustger.text import get_normalizer

RESAMPLES = 2000
REFERENCES = (MATCHED, "shuffled", "robustger")
GUARDS = ("none", "margin")
LOGGED = ("train_loss", "gate_norm", "noise_gate_norm", "mutual_information", "distillation_loss")

Figures = dict[str, Any]
Key = tuple[str, str]  # arm, change


@dataclass(frozen=True, slots=True)
class Paired:
    """Rates of several systems on the same sentences, each a sum over a sum.

    Attributes:
        totals: name of a column to its sum.
        samples: name of a column to its sums over the resamples, shape (RESAMPLES,).
    """

    totals: dict[str, float]
    samples: dict[str, np.ndarray]

    @classmethod
    def of(cls, sentences: Sequence[str], columns: dict[str, Sequence[float]]) -> Paired:
        """From values list by list, and the sentence of each list."""
        rows = {name: row for row, name in enumerate(dict.fromkeys(sentences))}
        table = np.zeros((len(rows), len(columns)))
        np.add.at(table, [rows[name] for name in sentences], np.array(list(columns.values())).T)
        sums = resampled_sums(table, resamples=RESAMPLES, seed=0)
        return cls(
            dict(zip(columns, table.sum(0).tolist(), strict=True)), dict(zip(columns, sums.T, strict=True))
        )

    def rate(self, over: str, *names: str) -> list[float]:
        """Mean rate of the named columns over the column `over`, and its interval."""
        return self._figures(lambda sums: sum(sums[name] for name in names) / len(names) / sums[over])

    def difference(self, over: str, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Mean of (first - second) / over, over the pairs of columns, and its interval."""
        return self._figures(lambda sums: sum(sums[a] - sums[b] for a, b in pairs) / len(pairs) / sums[over])

    def _figures(self, statistic: Callable[[dict[str, Any]], Any]) -> list[float]:
        ends = percentile_interval(statistic(self.samples))
        return [float(statistic(self.totals)), ends.low, ends.high]


def read_results(folder: Path) -> dict[Key, dict[int, Figures]]:
    """The results that are there, by arm and change, and by seed.

    Raises:
        InputError: there are none, or they are of different test lists, or not of one grid.
    """
    found: dict[Key, dict[int, Figures]] = defaultdict(dict)
    tested = None
    shared: dict[Path, dict[str, str]] = {}
    for path in sorted(folder.glob(f"*/{RESULTS}")):
        results = json.loads(path.read_text(encoding="utf-8"))
        if "arm" not in results:
            continue  # the base
        ids = results["ids"], results["losses"]["ids"]
        if ids != (tested or ids):
            raise InputError(
                f"{path}: was tested on other lists than the results beside it; remove one of them"
            )
        tested = ids
        shared[path.parent] = results.get("shared", {})
        found[results["arm"], results["change"]][results["seed"]] = results
    if not found:
        raise InputError(f"{folder}: no results there yet")
    _check_shared(shared)
    order = sorted(found, key=lambda key: (key[1], list(ARMS).index(key[0])))
    return {key: dict(sorted(found[key].items())) for key in order}


def _check_shared(shared: dict[Path, dict[str, str]]) -> None:
    """Of each folder what all arms have to have in common, by name.

    Raises:
        InputError: one differs from most others.
    """
    (most, _), *_ = Counter(tuple(sorted(parts.items())) for parts in shared.values()).most_common(1)
    common = dict(most)
    for folder, parts in shared.items():
        others = [name for name in sorted(common | parts) if parts.get(name) != common.get(name)]
        if others:
            raise InputError(
                f"{folder}: its results are of another {', '.join(others)} than those beside it; remove it, and run "
                "it again"
            )


def recogniser_counts(lists: Sequence[NBest]) -> dict[str, list[int]]:
    """Words of the references, and errors of the 1-best and of the oracles."""
    normalize = get_normalizer(NORMALIZER)
    counts: dict[str, list[int]] = {"words": [], "1-best": [], "o_nb": [], "o_cp": []}
    for nbest in lists:
        reference = normalize(nbest.reference or "").split()
        hypotheses = [normalize(text).split() for text in nbest.texts]
        counts["words"].append(len(reference))
        counts["1-best"].append(count_errors(reference, hypotheses[0]))
        counts["o_nb"].append(n_best_errors(reference, hypotheses))
        counts["o_cp"].append(compositional_errors(reference, hypotheses))
    return counts


def column(key: Key, seed: int, kind: str) -> str:
    return json.dumps([*key, seed, kind])


def reference_of(key: Key, reference: str, found: dict[Key, Any]) -> Key | None:
    """What an arm is compared with: the reference under the same change, else without; None where there is neither."""
    candidates = ((reference, key[1]), (reference, ""))
    return next((other for other in candidates if other in found and other != key), None)


def compute(folder: Path) -> Figures:
    """All figures of the tables.

    Raises:
        InputError: no results are there, or their test lists are not.
    """
    found = read_results(folder)
    ids = next(iter(next(iter(found.values())).values()))["ids"]
    by_id = {nbest.id: nbest for nbest in load_nbest(folder / "lists" / "test.jsonl")}
    if missing := [id_ for id_ in ids if id_ not in by_id]:
        raise InputError(f"{folder}: lists/test.jsonl has no list {missing[0]!r}; run the grid again")
    lists = [by_id[id_] for id_ in ids]
    recogniser = recogniser_counts(lists)
    columns: dict[str, Sequence[float]] = dict(recogniser)
    losses: dict[str, Sequence[float]] = {}
    scored: list[str] = []
    for key, seeds in found.items():
        for seed, results in seeds.items():
            for guard in GUARDS:
                columns[column(key, seed, guard)] = results["errors"][guard]
            losses[column(key, seed, "loss")] = results["losses"]["nats"]
            losses["tokens"] = results["losses"]["tokens"]
            scored = [id_.split("_")[0] for id_ in results["losses"]["ids"]]
    sentences = [sentence(nbest) for nbest in lists]
    groups = {"0, 5 and 10": range(len(lists))} | {
        str(snr): [row for row, nbest in enumerate(lists) if snr_db(nbest) == snr] for snr in SNRS_DB
    }
    paired = {
        name: Paired.of(
            [sentences[row] for row in rows],
            {key: [values[row] for row in rows] for key, values in columns.items()},
        )
        for name, rows in groups.items()
    }
    loss = Paired.of(scored, losses)
    whole = paired["0, 5 and 10"]
    return {
        "lists": len(lists),
        "sentences": len(set(sentences)),
        "scored": len(scored),
        "words": int(whole.totals["words"]),
        "recogniser": {
            name: {group: one.rate("words", name) for group, one in paired.items()}
            for name in ("1-best", "o_nb", "o_cp")
        },
        "arms": [_arm(key, found, whole, paired, loss) for key in found],
    }


def _arm(
    key: Key, found: dict[Key, dict[int, Figures]], whole: Paired, paired: dict[str, Paired], loss: Paired
) -> Figures:
    seeds = found[key]
    figures: Figures = {
        "arm": key[0],
        "change": key[1],
        "parameters": next(iter(seeds.values()))["parameters"],
        "seeds": list(seeds),
        "against": {},
        "log": {
            name: float(np.mean(values))
            for name in LOGGED
            if (values := [r["log"][name] for r in seeds.values() if r["log"].get(name) is not None])
        },
    }
    others = {name: reference_of(key, name, found) for name in REFERENCES}
    for kind in (*GUARDS, "loss"):
        source, over = (loss, "tokens") if kind == "loss" else (whole, "words")
        names = [column(key, seed, kind) for seed in seeds]
        one: Figures = {
            "all": source.rate(over, *names),
            "seeds": [source.rate(over, name)[0] for name in names],
        }
        if kind != "loss":
            one["by_snr"] = {
                group: part.rate("words", *names) for group, part in paired.items() if group != "0, 5 and 10"
            }
        for name, other in others.items():
            common = [seed for seed in seeds if other is not None and seed in found[other]]
            if other is not None and common:
                figures["against"][name] = f"{other[0]}+{other[1]}" if other[1] else other[0]
                pairs = [(column(key, seed, kind), column(other, seed, kind)) for seed in common]
                one[f"minus {name}"] = source.difference(over, pairs)
        figures[kind] = one
    return figures


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(figures: Sequence[float] | None, scale: float, sign: str = "") -> str:
    """`value [low, high]`."""
    if figures is None:
        return ""
    digits = 2 if scale == 100 else 4
    value, low, high = (format(scale * figure, f"{sign}.{digits}f") for figure in figures)
    return f"{value} [{low}, {high}]"


def _name(arm: Figures) -> str:
    return f"{arm['arm']}, {arm['change']}" if arm["change"] else arm["arm"]


def _main_table(figures: Figures, kind: str) -> str:
    scale, digits = (1, 4) if kind == "loss" else (100, 2)
    title = "nats per token" if kind == "loss" else "WER"
    header = ["arm", "parameters", title, "seeds", "single seeds", *(f"minus {name}" for name in REFERENCES)]
    rows: list[list[str]] = []
    if kind != "loss":
        for name, groups in figures["recogniser"].items():
            rows.append([name, "", _interval(groups["0, 5 and 10"], scale), "", "", *[""] * len(REFERENCES)])
    for arm in figures["arms"]:
        one = arm[kind]
        singles = ", ".join(format(scale * value, f".{digits}f") for value in one["seeds"])
        differences = []
        for name in REFERENCES:
            cell = _interval(one.get(f"minus {name}"), scale, "+")
            unchanged = arm["change"] and arm["against"].get(name) == name
            differences.append(f"{cell} *" if cell and unchanged else cell)
        rows.append(
            [
                _name(arm),
                f"{arm['parameters']:,}",
                _interval(one["all"], scale),
                str(len(arm["seeds"])),
                singles,
                *differences,
            ]
        )
    return _markdown(header, rows)


def _snr_table(figures: Figures, kind: str) -> str:
    rows = [
        [name, *(_interval(groups[str(snr)], 100) for snr in SNRS_DB)]
        for name, groups in figures["recogniser"].items()
    ]
    rows += [
        [_name(arm), *(_interval(arm[kind]["by_snr"][str(snr)], 100) for snr in SNRS_DB)]
        for arm in figures["arms"]
    ]
    return _markdown(["arm", *(f"{snr} dB" for snr in SNRS_DB)], rows)


def _log_table(figures: Figures) -> str:
    rows = [
        [_name(arm), *(f"{arm['log'][name]:.4f}" if name in arm["log"] else "" for name in LOGGED)]
        for arm in figures["arms"]
    ]
    return _markdown(["arm", *(name.replace("_", " ") for name in LOGGED)], rows)


def missing_runs(figures: Figures, expected: Sequence[tuple[str, str, int]]) -> list[str]:
    """Those of the expected runs (arm, change, seed) that no figure is of, as `arm, change (seeds)`."""
    there = {(arm["arm"], arm["change"]): arm["seeds"] for arm in figures["arms"]}
    lacking: dict[str, list[str]] = defaultdict(list)
    for arm, change, seed in expected:
        if seed not in there.get((arm, change), []):
            lacking[_name({"arm": arm, "change": change})].append(str(seed))
    return [f"{name} ({', '.join(seeds)})" for name, seeds in lacking.items()]


def write_table(folder: Path, expected: Sequence[tuple[str, str, int]] = ()) -> str:
    """Computes all figures, writes them to FOLDER/results.json, and returns the tables in Markdown.

    Args:
        folder: of the grid.
        expected: arm, change and seed of the runs of a complete grid; those that are not there are named.

    Raises:
        InputError: no results are there, or they are not comparable.
    """
    figures = compute(folder)
    figures["missing"] = missing_runs(figures, expected)
    with atomic_writer(folder / RESULTS) as file:
        file.write(json.dumps(figures, indent=1) + "\n")
    said = (
        f"{figures['sentences']} sentences at {', '.join(map(str, SNRS_DB))} dB, {figures['lists']} lists, "
        f"{figures['words']} words; losses on {figures['scored']} lists. Differences are over the seeds that both arms "
        "have. *: minus the arm without the change."
    )
    if figures["missing"]:
        said += f" **Not complete**: no results yet of {', '.join(figures['missing'])} (seeds)."
    parts = [said, "### Loss of the references", _main_table(figures, "loss")]
    for guard in GUARDS:
        parts += [f"### WER in %, `{NORMALIZER}`, guard `{guard}`", _main_table(figures, guard)]
    parts += ["### WER in % by SNR, guard `none`", _snr_table(figures, "none")]
    parts += ["### At the end of training", _log_table(figures)]
    return "\n\n".join(parts)
