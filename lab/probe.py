"""Measures whether the noise embedding knows more of the noise than the language model that reads the hypotheses.

    python -m lab.probe LAB > table.md

LAB is a laboratory that `make lab` made; the archives in `lab/kept` lack the embeddings of the training audio.

E_LN is a function of the hypotheses, and the language model reads the hypotheses, too. So E_LN helps only if it knows
more than the language model does. Ridge regressions are fitted to training lists and measured on the test lists, which
have other sentences, voices and noises. They predict the SNR and the error rate of the 1-best from

- E_LN: all rows; and the lengths of its rows alone;
- the states of the untrained `lab-lm` behind the prompt: the last layer's, at the last token and on average;
- these states together with either of E_LN's; and the recognizer's embedding of the audio.

Every part is standardized and reduced to its principal components on its own, so that no wide part hides another.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from robustger.correction import Corrector
from robustger.correction.config import CorrectorConfig
from robustger.evaluation.bootstrap import resampled_sums
from robustger.evaluation.intervals import percentile_interval, with_interval
from robustger.experiments.conditions import sentence, snr_db
from robustger.experiments.experiment import word_errors
from robustger.experiments.kept_embeddings import refuse_unkept
from robustger.experiments.tables.embedding import audio_embeddings, noise_embeddings
from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.audio_embeddings import embeddings_path

LENGTHS, NOISE = "the lengths of E_LN's rows", "E_LN"
STATES, AUDIO = "the language model's states", "the recognizer's embedding of the audio"
TRAIN, RESAMPLES = 3000, 1000
ALPHAS = np.logspace(-2, 6, 33)
COMPONENTS = 128  # of each part


def states(lists: Sequence[NBest]) -> np.ndarray:
    """The last layer's states of the language model over the prompts, last and mean: (n, 2 width)."""
    corrector = Corrector.create(CorrectorConfig(base="lab-lm", variant="ger"))
    llm = corrector.llm.llm.model
    found = []
    with torch.no_grad():
        for nbest in lists:
            tokens = torch.tensor([corrector.prompt_tokens(nbest.texts)])
            hidden = llm(input_ids=tokens, use_cache=False).last_hidden_state[0]
            found.append(torch.cat([hidden[-1], hidden.mean(0)]))
    return torch.stack(found).numpy()


def reduced(train: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Standardized principal components of a part, by the training lists."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = min(COMPONENTS, train.shape[1])
    fitted = make_pipeline(StandardScaler(), PCA(count, random_state=0), StandardScaler()).fit(train)
    return {"train": fitted.transform(train), "test": fitted.transform(test)}


def predicted(train: np.ndarray, target: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The predictions of a ridge regression for the test; its strength is chosen by leave-one-out."""
    from sklearn.linear_model import RidgeCV

    return RidgeCV(ALPHAS).fit(train, target).predict(test)


def explained(said: np.ndarray, truth: np.ndarray, sentences: Sequence[str]) -> str:
    """R squared with its 95 % interval over sentences."""
    rows = {name: row for row, name in enumerate(dict.fromkeys(sentences))}
    places = np.array([rows[name] for name in sentences])
    columns = np.stack([(truth - said) ** 2, truth, truth**2, np.ones_like(truth)])
    sums = np.stack([np.bincount(places, weights=column) for column in columns], 1)

    def r_squared(total: np.ndarray) -> np.ndarray:
        missed, first, second, count = total.T
        return 1 - missed / (second - first**2 / count)

    samples = resampled_sums(sums, resamples=RESAMPLES, seed=0, drawing="multinomial")
    ends = percentile_interval(r_squared(samples), ends="interpolated")
    return with_interval(r_squared(sums.sum(0)[None])[0], ends, 2, negative_zero=True)


def main() -> None:
    folder = Path(sys.argv[1]) / "lists"
    train, test = load_nbest(folder / "corrector-more.jsonl")[:TRAIN], load_nbest(folder / "test.jsonl")
    refuse_unkept(embeddings_path(folder / "corrector-more.jsonl"), "the probe needs")
    parts = {"train": train, "test": test}
    raw: dict[str, dict[str, np.ndarray]] = {}
    for part, lists in parts.items():
        noise, text, audio = noise_embeddings(lists), states(lists), audio_embeddings(lists, folder)
        assert audio is not None  # lists of the laboratory have them
        lengths = np.linalg.norm(noise.reshape(len(lists), 20, -1), axis=-1)
        raw[part] = {LENGTHS: lengths, NOISE: noise, STATES: text, AUDIO: audio}
    known = {name: reduced(raw["train"][name], raw["test"][name]) for name in raw["train"]}
    targets = {
        part: {
            "SNR": np.array([float(snr_db(nbest) or 0) for nbest in lists]),
            "errors per word": np.array(word_errors(lists, [nbest.texts[0] for nbest in lists]))
            / [len((nbest.reference or "").split()) for nbest in lists],
        }
        for part, lists in parts.items()
    }
    sentences = [sentence(nbest) for nbest in test]
    print("| from | SNR | errors per word |\n| :-- | --: | --: |")
    for names in (
        (LENGTHS,),
        (NOISE,),
        (STATES,),
        (STATES, LENGTHS),
        (STATES, NOISE),
        (AUDIO,),
        (STATES, AUDIO),
    ):
        train_rows, test_rows = (
            np.concatenate([known[name][part] for name in names], 1) for part in ("train", "test")
        )
        cells = [
            explained(
                predicted(train_rows, targets["train"][target], test_rows), targets["test"][target], sentences
            )
            for target in ("SNR", "errors per word")
        ]
        print(f"| {' and '.join(names)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
