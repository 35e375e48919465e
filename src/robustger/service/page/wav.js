// Writes samples as a WAV file.

/** A WAV file, 16 bits, mono, of samples between -1 and 1. */
export function wavOf(samples, sampleRate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, value) => [...value].forEach((character, place) => view.setUint8(at + place, character.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, place) => {
    const bounded = Math.max(-1, Math.min(1, sample));
    view.setInt16(44 + 2 * place, Math.round(bounded * 32767), true);
  });
  return new Blob([view], { type: "audio/wav" });
}

/** One array of several. */
export function joinedSamples(chunks) {
  const joined = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
