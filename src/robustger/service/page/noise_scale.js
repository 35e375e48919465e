// Shows how noisy a recording is: how far its hypotheses lie from each other, beside sentences with known noise.

import { byId, make } from "./elements.js";

// Medians of 30 sentences of NOIZEUS at each signal-to-noise ratio, with the models of the preset of this name.
// docs/how-to/web-page.md says how they were measured.
const MEASURED = {
  whisper: [
    { name: "15 dB", value: 0.467 },
    { name: "10 dB", value: 0.58 },
    { name: "5 dB", value: 0.74 },
    { name: "0 dB", value: 0.828 },
  ],
};
const LEAST_END = 0.5; // of the scale where nothing is known

/** Draws the scale for a value; null hides it. `model` is the description of the model by the service. */
export function showNoise(value, model) {
  byId("noise").hidden = value === null;
  if (value === null) return;
  const known = marksOf(model).toSorted((x, y) => x.value - y.value);
  const end = Math.max(1.25 * (known.at(-1)?.value ?? 0), 1.1 * value, LEAST_END);
  const place = (number) => `${(100 * number) / end}%`;
  byId("noise-mark").style.left = place(value);
  byId("noise-ticks").replaceChildren(
    ...known.map((mark) => {
      const tick = make("span", { class: "tick" }, make("span", {}, mark.name));
      tick.style.left = place(mark.value);
      return tick;
    }),
  );
  byId("noise-text").textContent = described(value, known);
}

function described(value, known) {
  const number = value.toFixed(2);
  if (!known.length) return `The hypotheses lie ${number} apart.`;
  const apart = (mark) => Math.abs(mark.value - value);
  const nearest = known.reduce((best, mark) => (apart(mark) < apart(best) ? mark : best));
  return `The hypotheses lie ${number} apart; nearest mark: ${nearest.name}.`;
}

/** Known values: [{name, value}]; those of the service, {"0.5": 0.1} or [[0.5, 0.1]], come before our own. */
function marksOf(model) {
  const sent = model?.robustger?.noise_quantiles ?? model?.noise_quantiles ?? null;
  if (!sent) return MEASURED[model?.id] ?? [];
  const pairs = Array.isArray(sent) ? sent : Object.entries(sent);
  return pairs
    .map(([share, value]) => ({ name: `${Math.round(100 * Number(share))} %`, value: Number(value) }))
    .filter(({ value }) => Number.isFinite(value));
}
