// Cuts the samples of a microphone into pieces at pauses, while they come.

import { joinedSamples } from "./wav.js";

const PAUSE_SECONDS = 0.6;
const LEAST_SPEECH_SECONDS = 0.25;
const LONGEST_SECONDS = 15;
const LEAD_SECONDS = 0.3; // kept before the first loud block
const LOUDER_THAN_FLOOR = 3; // amplitude of speech over that of the background
const QUIETEST_SPEECH = 0.004;

/** Gives pieces to `onPiece({samples, start})` as soon as a pause follows them; `start` in seconds. */
export class PauseCutter {
  #blocks = [];
  #start = 0;
  #seen = 0;
  #floor = null;
  #speech = 0;
  #silence = 0;

  constructor(sampleRate, onPiece) {
    this.sampleRate = sampleRate;
    this.onPiece = onPiece;
  }

  add(block) {
    const seconds = block.length / this.sampleRate;
    const loudness = Math.sqrt(block.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(block.length, 1));
    // The floor falls at once and rises slowly, so that it follows the background and not the speech.
    this.#floor = this.#floor === null ? loudness : Math.min(loudness, this.#floor * (1 + 0.1 * seconds) + 1e-6);
    const loud = loudness > Math.max(QUIETEST_SPEECH, LOUDER_THAN_FLOOR * this.#floor);
    this.#blocks.push(block);
    this.#seen += block.length;
    if (loud) {
      this.#speech += seconds;
      this.#silence = 0;
    } else this.#silence += seconds;
    if (!this.#speech) this.#forget();
    else if (this.#silence >= PAUSE_SECONDS || this.#length >= LONGEST_SECONDS) this.flush();
  }

  /** Gives out what is left, if anybody spoke. */
  flush() {
    if (this.#speech >= LEAST_SPEECH_SECONDS) {
      this.onPiece({ samples: joinedSamples(this.#blocks), start: this.#start });
    }
    this.#blocks = [];
    this.#start = this.#seen / this.sampleRate;
    this.#speech = 0;
    this.#silence = 0;
  }

  get #length() {
    return this.#seen / this.sampleRate - this.#start;
  }

  /** Drops silence before speech, except for a short lead. */
  #forget() {
    while (this.#blocks.length > 1 && this.#length - this.#blocks[0].length / this.sampleRate > LEAD_SECONDS) {
      this.#start += this.#blocks.shift().length / this.sampleRate;
    }
  }
}
