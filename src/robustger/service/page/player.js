// The waveform of a recording: plays, seeks by click and by keys, and says what is heard.

import { byId, clock } from "./elements.js";
import WaveSurfer from "./vendor/wavesurfer.esm.js";

const MOST_DECODED_BYTES = 150e6; // larger files play without a waveform, because their samples would fill the memory
const STEP_SECONDS = 5;

/** `onTime(seconds)` is called while the recording plays; `neighbor(seconds, step)` finds the next word or the one before. */
export class Player {
  #root = byId("player");
  #slider = byId("waveform");
  #button = byId("play");
  #wave = null;
  #address = null;

  constructor({ onTime, neighbor }) {
    this.onTime = onTime;
    this.neighbor = neighbor;
    this.#button.addEventListener("click", () => this.toggle());
    byId("speed").addEventListener("change", (event) => this.#wave?.setPlaybackRate(Number(event.target.value)));
    this.#slider.addEventListener("keydown", (event) => this.#key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#wave?.setOptions(colors()));
  }

  /** Loads a recording; null takes the player away. Resolves to its length in seconds, or to null if it cannot be played. */
  async load(recording) {
    this.#wave?.destroy();
    this.#wave = null;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
    this.#root.hidden = !recording;
    byId("player-note").textContent = "";
    if (!recording) return null;
    const wave = WaveSurfer.create({
      container: "#waveform",
      height: 72,
      barWidth: 2,
      barGap: 2,
      barRadius: 2,
      cursorWidth: 2,
      normalize: true,
      dragToSeek: true,
      ...colors(),
    });
    this.#wave = wave;
    wave.on("timeupdate", (seconds) => this.#show(seconds));
    for (const event of ["play", "pause", "finish"]) wave.on(event, () => this.#showState());
    wave.on("error", () => {}); // `load` below tells the reader
    try {
      if (recording.size > MOST_DECODED_BYTES) {
        this.#address = URL.createObjectURL(recording);
        await wave.load(this.#address, [[0.02, -0.02]], await lengthOf(this.#address));
      } else await wave.loadBlob(recording);
    } catch {
      if (this.#wave === wave) {
        this.#button.disabled = true;
        this.#slider.hidden = true;
        byId("player-note").textContent = "This browser cannot play this kind of file. Its text is below all the same.";
      }
      return null;
    }
    if (this.#wave !== wave) return null;
    this.#button.disabled = false;
    this.#slider.hidden = false;
    wave.setPlaybackRate(Number(byId("speed").value));
    this.#slider.setAttribute("aria-valuemax", wave.getDuration().toFixed(1));
    this.#show(0);
    this.#showState();
    return wave.getDuration();
  }

  toggle() {
    return this.#wave?.playPause();
  }

  /** Goes to a time, in seconds, and shows it. */
  seek(seconds) {
    if (!this.#wave) return;
    const bounded = Math.max(0, Math.min(seconds, this.#wave.getDuration()));
    this.#wave.setTime(bounded);
    this.#show(bounded);
  }

  get seconds() {
    return this.#wave?.getCurrentTime() ?? 0;
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const far = { PageUp: STEP_SECONDS, PageDown: -STEP_SECONDS }[event.key];
    if (step) {
      const found = this.neighbor(this.seconds, step);
      this.seek(found ? found.start : step > 0 ? Infinity : 0);
    } else if (far) this.seek(this.seconds + far);
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(Infinity);
    else if (event.key === " " || event.key === "Enter") this.toggle();
    else return;
    event.preventDefault();
  }

  #show(seconds) {
    const whole = this.#wave?.getDuration() ?? 0;
    byId("time").textContent = `${clock(seconds, { tenths: true })} / ${clock(whole, { tenths: true })}`;
    const word = this.onTime(seconds);
    this.#slider.setAttribute("aria-valuenow", seconds.toFixed(1));
    this.#slider.setAttribute("aria-valuetext", `${clock(seconds, { tenths: true })}${word ? `, ${word}` : ""}`);
  }

  #showState() {
    const playing = this.#wave?.isPlaying() ?? false;
    this.#button.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.#button.classList.toggle("playing", playing);
  }
}

function lengthOf(address) {
  const audio = new Audio(address);
  return new Promise((resolve, reject) => {
    audio.addEventListener("loadedmetadata", () => resolve(audio.duration), { once: true });
    audio.addEventListener("error", reject, { once: true });
  });
}

function colors() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  return { waveColor: color("--wave"), progressColor: color("--accent"), cursorColor: color("--ink") };
}
