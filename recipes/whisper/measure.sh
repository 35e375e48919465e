#!/usr/bin/env bash
# Corrects the lists of every domain with a preset or checkpoint, and measures all domains together.
# Usage: recipes/whisper/measure.sh FOLDER_WITH_LISTS OUTPUT_FOLDER [SPLIT] [options of robustger correct]
set -euo pipefail
lists=$1 output=$2 split=${3:-dev}
shift $(($# < 3 ? $# : 3))
mkdir -p "$output"
files=() corrections=()
for domain in atis chime4 coraal cv lrs2 swbd td3 wsj; do
    robustger correct "$lists/$domain.$split.jsonl" -o "$output/$domain.$split.corrected.jsonl" "$@"
    files+=("$lists/$domain.$split.jsonl")
    corrections+=(--corrections "$output/$domain.$split.corrected.jsonl")
done
normalizers=(--normalizer raw --normalizer number --normalizer whisper --normalizer released)
robustger evaluate "${files[@]}" "${corrections[@]}" "${normalizers[@]}" --json >"$output/$split.json"
robustger evaluate "${files[@]}" "${corrections[@]}" "${normalizers[@]}" | tee "$output/$split.md"
