#!/usr/bin/env bash
# Makes the laboratory from nothing in a folder: about four hours on two CPU cores, most of it training.
# An interrupted step resumes when the script runs again. Usage: lab/make.sh FOLDER; BIN is the folder of the commands.
set -euo pipefail
lab=$1 here=$(cd "$(dirname "$0")" && pwd) bin=$(cd "${BIN:-.venv/bin}" && pwd)
if compgen -G "$lab/lists/*.digest.json" > /dev/null; then
    echo "make lab: $lab holds the lists that are kept in lab/kept; remove it, or name another folder" >&2
    exit 2
fi
mkdir -p "$lab"/{lists,corrected}
lab=$(cd "$lab" && pwd)
export LAB=$lab PYTHONPATH=$here/..${PYTHONPATH:+:$PYTHONPATH}  # the scripts are the package `lab`

say() { printf '\n== %s\n' "$*" >&2; }

say "the recognizer's training speech, and the recognizer"
[ -f "$lab/pool/utterances.json" ] || "$bin/python" -m lab.recognizer_speech "$lab/pool" 40000
torchrun() { OMP_NUM_THREADS=1 "$bin/torchrun" --nproc-per-node "${CORES:-2}" "$@"; }
train() { torchrun -m lab.train_recognizer "$lab/pool" "$@"; }
train "$lab/recognizer-1" --steps 5000
# The last steps are on word strings alone, so that knowing which word follows which is left to the corrector.
train "$lab/recognizer-2" --steps 1000 --initial "$lab/recognizer-1" --word-strings-only --lr 5e-4 --warm-up 50
# The share was picked by hand on the development lists; docs/results/lab.md has the others.
recognizer=$lab/recognizer
"$bin/python" -m lab.average_recognizers "$lab/recognizer-1/recognizer" "$lab/recognizer-2/recognizer" 0.8 "$recognizer"

say "the language model of the experiments"
torchrun -m lab.train_language_model "$lab/language-model"

say "clean speech and noise of the other splits, and their mixtures"
[ -f "$lab/corpus/test-noises.txt" ] || "$bin/python" -m lab.corpus "$lab/corpus"
noise=$lab/corpus/noise
for seed in 1 2; do
    "$bin/robustger" mix "$lab/corpus/corrector.jsonl" --noise "$noise/train" --snr=-5,0,5,10,15 --draw-snr \
        --seed $seed -o "$lab/corpus/noisy-corrector-$seed"
done
"$bin/robustger" mix "$lab/corpus/corrector-more.jsonl" --noise "$noise/train" --snr=0,5,10,15 --draw-snr --seed 1 \
    -o "$lab/corpus/noisy-corrector-more"
"$bin/robustger" mix "$lab/corpus/dev.jsonl" --noise "$noise/train" --snr=0,5,10 --seed 3 -o "$lab/corpus/noisy-dev"
"$bin/robustger" mix "$lab/corpus/test.jsonl" --noise "$noise/test" --snr=-5,0,5,10,15,20 --seed 3 -o "$lab/corpus/noisy-test"

say "5-best lists"
nbest() { "$bin/robustger" nbest "$1" -o "$2" --preset lab --model "$recognizer" --batch-size 32 "${@:3}"; }
for part in 1 2 more; do
    nbest "$lab/corpus/noisy-corrector-$part/manifest.jsonl" "$lab/lists/corrector-$part.jsonl"
done
"$bin/python" -m lab.unheard_lists 4000 "$lab/lists/texts.jsonl"
for part in 1 2 3; do
    nbest "$lab/corpus/noisy-dev/manifest.jsonl" "$lab/lists/dev-$part.jsonl" --shard $part/3
done
nbest "$lab/corpus/noisy-test/manifest.jsonl" "$lab/lists/test.jsonl"
nbest "$lab/corpus/test.jsonl" "$lab/lists/test-clean.jsonl"

say "the corrector, on all kinds of lists and then on more sentences"
"$bin/robustger" train "$here/corrector.yaml"
"$bin/robustger" train "$here/corrector-more.yaml"

say "the figures"
bash "$here/measure.sh" "$lab" --checkpoint "$lab/corrector-more/best"
