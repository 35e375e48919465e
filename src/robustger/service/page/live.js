// Live text: pieces between pauses appear uncorrected at once, and are replaced when they are corrected.

import { Microphone } from "./microphone.js";
import { PauseCutter } from "./pauses.js";
import { joinedSamples, wavOf } from "./wav.js";

const MOST_SEGMENTS = 8; // of one piece; so many positions are kept free for it

/** A live recording into a document. `onError(error)` is told of pieces that could not be corrected. */
export class LiveSession {
  #blocks = [];
  #pieces = 0;
  #recognizing = Promise.resolve();
  #correcting = Promise.resolve();
  #positions = 0;

  constructor(service, transcript, { options, onError, onState }) {
    Object.assign(this, { service, transcript, options, onError, onState });
  }

  async start() {
    let cutter = null;
    this.microphone = await Microphone.open((block) => {
      this.#blocks.push(block);
      cutter?.add(block);
    });
    cutter = new PauseCutter(this.microphone.sampleRate, (piece) => this.#take(piece));
    this.cutter = cutter;
  }

  /** Stops, waits for the last corrections, and returns the whole recording as a WAV file. */
  async stop() {
    await this.microphone.close();
    this.cutter.flush();
    await this.#recognizing;
    await this.#correcting;
    return wavOf(joinedSamples(this.#blocks), this.microphone.sampleRate);
  }

  #take({ samples, start }) {
    const recording = wavOf(samples, this.microphone.sampleRate);
    this.#pieces += 1;
    const name = `live-${this.#pieces}.wav`;
    this.#recognizing = this.#recognizing.then(async () => {
      const shown = await this.#answer(recording, { name, correction: "none" });
      const position = this.#positions;
      this.#positions += MOST_SEGMENTS;
      shown?.forEach((raw, place) => this.transcript.replace(position + place, raw, { shift: start, pending: true }));
      this.#correcting = this.#correcting.then(() => this.#correct(recording, name, position, start, shown ?? []));
    });
  }

  async #correct(recording, name, position, start, shown) {
    const corrected = await this.#answer(recording, { name, correction: "full" });
    if (!corrected) {
      // The recognizer's text stays, and is final.
      shown.forEach((raw, place) => this.transcript.replace(position + place, raw, { shift: start }));
      return;
    }
    shown.slice(corrected.length).forEach((_, place) => this.transcript.remove(position + corrected.length + place));
    corrected.forEach((raw, place) => this.transcript.replace(position + place, raw, { shift: start }));
  }

  async #answer(recording, fields) {
    this.onState?.(1);
    try {
      const { segments } = await this.service.transcribe(recording, { ...this.options, ...fields, stream: false });
      return segments.filter((segment) => segment.text);
    } catch (error) {
      this.onError(error);
      return null;
    } finally {
      this.onState?.(-1);
    }
  }
}
