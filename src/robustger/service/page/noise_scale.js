// Shows how noisy a recording is: how far its hypotheses lie from each other, on a scale.

import { byId } from "./elements.js";

// Used where the service names no quantiles of its own: nobody measured them for its recognizer.
const USUAL_SCALE = { least: 0, most: 0.5 };

/** Draws the scale for a value; null hides it. `quantiles` are [{share, value}] of known recordings, from the service. */
export function showNoise(value, quantiles = []) {
  const root = byId("noise");
  root.hidden = value === null;
  if (value === null) return;
  const known = quantiles.toSorted((x, y) => x.value - y.value);
  const most = known.length ? Math.max(known.at(-1).value, value) : Math.max(USUAL_SCALE.most, value);
  const place = (number) => `${Math.max(0, Math.min(1, number / (most || 1))) * 100}%`;
  byId("noise-mark").style.left = place(value);
  byId("noise-ticks").replaceChildren(
    ...known.map((quantile) => {
      const tick = document.createElement("span");
      tick.className = "tick";
      tick.style.left = place(quantile.value);
      return tick;
    }),
  );
  byId("noise-text").textContent = described(value, known, most);
}

function described(value, known, most) {
  const number = value.toFixed(3);
  if (!known.length) {
    const word = value < most / 3 ? "close together" : value < (2 * most) / 3 ? "some way apart" : "far apart";
    return `The hypotheses lie ${word} (${number}).`;
  }
  const passed = known.filter((quantile) => quantile.value <= value).at(-1);
  if (!passed) return `Less than nearly all known recordings (${number}).`;
  return `More than ${Math.round(100 * passed.share)} % of known recordings (${number}).`;
}

/** The quantiles in the description of a model, in whichever of two forms: {"0.5": 0.1} or [[0.5, 0.1]]. */
export function quantilesOf(model) {
  const found = model?.robustger?.noise_quantiles ?? model?.noise_quantiles ?? null;
  if (!found) return [];
  const pairs = Array.isArray(found) ? found : Object.entries(found);
  return pairs.map(([share, value]) => ({ share: Number(share), value: Number(value) })).filter(({ value }) => Number.isFinite(value));
}
