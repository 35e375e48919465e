// A transcript on the page: its segments, and every choice of the reader, which can be undone and redone.

import { Segment, stateOfEdit } from "./segment.js";

/** Tells its listeners "segments" when segments come or are replaced, and "edit" when an edit is switched. */
export class TranscriptDocument extends EventTarget {
  #done = [];
  #undone = [];

  /**
   * `title` names it; `withTimes` says whether subtitles can be made; `names(position)` names segments without times.
   */
  constructor({ title, withTimes = true, names = () => null } = {}) {
    super();
    this.title = title ?? "transcript";
    this.withTimes = withTimes;
    this.names = names;
    this.segments = [];
  }

  add(raw, options) {
    return this.replace(this.segments.length, raw, options);
  }

  /** Puts a segment at a position, which forgets the choices of the reader there. */
  replace(position, raw, options) {
    const segment = new Segment(raw, options);
    this.segments[position] = segment;
    const elsewhere = (step) => step.position !== position;
    this.#done = this.#done.filter(elsewhere);
    this.#undone = this.#undone.filter(elsewhere);
    this.#tell("segments", { position });
    return segment;
  }

  remove(position) {
    this.segments[position] = null;
    this.#tell("segments", { position });
  }

  /** All segments that are there, in order. */
  get present() {
    return this.segments.filter(Boolean);
  }

  get text() {
    return this.present.map((segment) => segment.text).filter(Boolean).join(" ");
  }

  /** Switches an edit on or off; others that change the same words are switched off with it. */
  toggle(position, edit) {
    const rivals = edit.on ? [] : this.segments[position].rivals(edit);
    const step = { position, edits: [edit, ...rivals] };
    this.#done.push(step);
    this.#undone = [];
    this.#switch(step);
  }

  undo() {
    this.#move(this.#done, this.#undone);
  }

  redo() {
    this.#move(this.#undone, this.#done);
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  #move(from, to) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    this.#switch(step);
  }

  #switch({ position, edits }) {
    for (const edit of edits) edit.on = !edit.on;
    this.#tell("edit", { position });
  }

  /** How many edits are kept, held (back), undone and applied. */
  counts() {
    const counts = { kept: 0, held: 0, undone: 0, applied: 0 };
    for (const segment of this.present) for (const edit of segment.edits) counts[stateOfEdit(edit)] += 1;
    return counts;
  }

  /** The mean noise of the segments by their length; null if the server did not say. */
  get noise() {
    let [sum, weight] = [0, 0];
    for (const segment of this.present) {
      if (segment.noise === null) continue;
      const seconds = Math.max(segment.end - segment.start, 0.1);
      sum += segment.noise * seconds;
      weight += seconds;
    }
    return weight ? sum / weight : null;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
