#!/usr/bin/env bash
# Makes N-best lists of real speech in real noise: recipes/real-speech/make.sh MANIFEST.jsonl FOLDER NOISE...
# Every step goes on where it was stopped. MODELS and ROUNDS choose how much is made; README.md says what it costs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
manifest=$1
folder=$2
shift 2
noises=()
for noise in "$@"; do noises+=(--noise "$noise"); done
[ -f "$folder/clean-b.jsonl" ] || python "$here/prepare.py" "$manifest" "$folder"
for half in a b; do
  for round in ${ROUNDS:-1 2 3}; do
    mixed=$folder/noisy-$half-$round
    robustger mix "$folder/clean-$half.jsonl" "${noises[@]}" --noise "$folder/babble-for-$half" --split train \
      --snr=-5,0,5,10,15,20 --draw-snr --seed "$round" -o "$mixed"
    for model in ${MODELS:-whisper-base whisper-tiny.en}; do
      robustger nbest "$mixed/manifest.jsonl" --model "$model" -n 10 -o "$folder/$model-$half-$round.jsonl"
    done
  done
  for model in ${MODELS:-whisper-base whisper-tiny.en}; do
    robustger nbest "$folder/clean-$half.jsonl" --model "$model" -n 10 -o "$folder/$model-$half-clean.jsonl"
  done
done
