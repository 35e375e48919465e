// Everything about one transcript on the page: player, text, history, downloads, summary.

import { ChangeCard } from "./change_card.js";
import { announce, byId, count, showError } from "./elements.js";
import { download } from "./downloads.js";
import { showNoise } from "./noise_scale.js";
import { Player } from "./player.js";
import { TranscriptView } from "./transcript_view.js";

export class Result {
  #document = null;
  #listening = new AbortController();

  constructor() {
    const card = new ChangeCard((position, edit) => this.#document.toggle(position, edit));
    this.view = new TranscriptView({ card, onSeek: (seconds) => this.player.seek(seconds) });
    this.player = new Player({
      onTime: (seconds) => this.view.highlight(seconds),
      neighbor: (seconds, step) => this.view.neighbor(seconds, step),
    });
    this.model = {};
    byId("undo").addEventListener("click", () => this.#step("undo", "Undone."));
    byId("redo").addEventListener("click", () => this.#step("redo", "Redone."));
    byId("copy").addEventListener("click", () => this.#copy());
    byId("doubt").addEventListener("input", (event) => {
      byId("doubt-value").textContent = `${event.target.value} %`;
      this.view.doubtfulBelow = Number(event.target.value) / 100;
      this.#summarize();
    });
    for (const button of byId("downloads").querySelectorAll("[data-format]")) {
      button.addEventListener("click", () => download(this.#document, button.dataset.format));
    }
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows a document, with its recording if there is one. Resolves to the length of the recording, in seconds, or null. */
  show(transcript, recording = null) {
    this.#document = transcript;
    byId("result").hidden = false;
    document.body.classList.add("has-result");
    byId("title").textContent = transcript.title;
    this.view.seekable = Boolean(recording);
    this.view.show(transcript);
    this.#listening.abort();
    this.#listening = new AbortController();
    for (const type of ["segments", "edit"]) {
      transcript.addEventListener(type, () => this.#summarize(), { signal: this.#listening.signal });
    }
    for (const format of ["srt", "vtt"]) {
      const button = byId("downloads").querySelector(`[data-format="${format}"]`);
      button.disabled = !transcript.withTimes;
      button.title = transcript.withTimes ? "" : "A list has no times, so there are no subtitles.";
    }
    this.#summarize();
    return this.player.load(recording);
  }

  #step(direction, message) {
    const can = direction === "undo" ? this.#document?.canUndo : this.#document?.canRedo;
    if (!can) return;
    this.#document[direction]();
    announce(`${message} ${byId("summary").textContent}`);
  }

  #key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (typing || byId("result").hidden) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command && key === "z") this.#step(event.shiftKey ? "redo" : "undo", event.shiftKey ? "Redone." : "Undone.");
    else if (command && key === "y") this.#step("redo", "Redone.");
    else if (command && key === "enter") this.player.toggle();
    else return;
    event.preventDefault();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#document.text);
      announce("The text is copied.");
      byId("copy").textContent = "Copied";
      setTimeout(() => (byId("copy").textContent = "Copy"), 1500);
    } catch {
      showError("The browser did not allow copying. Select the text instead.");
    }
  }

  #summarize() {
    const transcript = this.#document;
    if (!transcript) return;
    const { kept, held, undone, applied } = transcript.counts();
    const parts = [kept ? `${count(kept, "change")} by the correction` : "no change by the correction"];
    if (held) parts.push(`${held} held back`);
    if (undone) parts.push(`${undone} taken back by you`);
    if (applied) parts.push(`${applied} applied by you`);
    const doubtful = this.view.doubtful;
    if (doubtful) parts.push(count(doubtful, "doubtful word"));
    const line = parts.join(", ");
    const empty = !transcript.present.length;
    byId("summary").textContent = empty ? "" : `${line[0].toUpperCase()}${line.slice(1)}.`;
    byId("toolbar").hidden = empty;
    byId("below").hidden = empty;
    const marks = { kept, held, chosen: undone + applied, doubtful: doubtful ?? 0 };
    for (const [mark, times] of Object.entries(marks)) byId(`legend-${mark}`).hidden = !times;
    byId("legend").hidden = !Object.values(marks).some(Boolean);
    byId("doubt-control").hidden = doubtful === null;
    byId("undo").disabled = !transcript.canUndo;
    byId("redo").disabled = !transcript.canRedo;
    showNoise(transcript.noise, this.model);
  }
}
