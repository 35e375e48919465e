// A stretch of speech with its edits: what the recognizer wrote, what the correction made of it, what the reader chose.

import { align, displayWords, plainKey, textOf } from "./words.js";

const CLOSING = /[^\p{L}\p{N}\s%°€$£¥]+$/u;
const OPENING = /^[^\p{L}\p{N}\s%°€$£¥]+/u;
const SENTENCE_END = /[.!?。！？]["'”’)]*$/u;

/**
 * The edits of a segment stand in places: `places` are the stretches of the recognizer's written words that edits may
 * change, from left to right. `edits` are those of the server, each with `on`: whether the text has it now.
 */
export class Segment {
  /** `raw` is a segment as the server sends it; `shift` in seconds is added to its times. */
  constructor(raw, { shift = 0, pending = false } = {}) {
    this.raw = raw;
    this.shift = shift;
    this.pending = pending;
    this.timed = Number.isFinite(raw.start) && Number.isFinite(raw.end);
    this.start = this.timed ? raw.start + shift : 0;
    this.end = this.timed ? raw.end + shift : 0;
    this.noise = Number.isFinite(raw.noise) ? raw.noise : null;
    this.nbest = raw.nbest ?? [];
    const final = displayWords(raw.text ?? "");
    const base = displayWords(raw.uncorrected ?? raw.text ?? "");
    this.best = this.nbest[0]?.text?.split(/\s+/u).filter(Boolean) ?? base.map((word) => plainKey(word.text));
    this.forms = writtenForms(this.nbest);
    this.edits = (raw.edits ?? []).map((edit) => ({ ...edit, judged: true, on: Boolean(edit.kept) }));
    this.#findPlaces(base, this.#withTimes(final, raw.words ?? []));
  }

  #withTimes(final, words) {
    const fits = words.length === final.length;
    const whole = final.reduce((sum, word) => sum + word.text.length + 1, 0) || 1;
    let before = 0;
    return final.map((word, index) => {
      const from = this.start + ((this.end - this.start) * before) / whole;
      before += word.text.length + 1;
      const to = this.start + ((this.end - this.start) * before) / whole;
      const own = fits ? words[index] : null;
      return {
        ...word,
        start: own ? own.start + this.shift : from,
        end: own ? own.end + this.shift : to,
        confidence: own?.confidence ?? null,
      };
    });
  }

  #findPlaces(base, final) {
    const stretches = align(base.map((word) => word.text), final.map((word) => word.text));
    const spans = spansOfPlainWords(this.best, base);
    const parts = this.edits.map((edit) => {
      const [from, to] = writtenSpan(spans, edit.word, edit.word + countWords(edit.from), base.length);
      return { b0: from, b1: to, edits: [edit], blocks: [] };
    });
    for (const { equal, a0, a1, b0, b1 } of stretches) {
      if (!equal) parts.push({ b0: a0, b1: a1, edits: [], blocks: [{ a0, a1, b0, b1 }] });
    }
    for (const part of parts) for (const edit of part.edits) edit.span = [part.b0, part.b1];
    parts.sort((x, y) => x.b0 - y.b0 || x.b1 - y.b1);
    const places = [];
    for (const part of parts) {
      const last = places.at(-1);
      if (last && touches(last, part)) {
        last.b1 = Math.max(last.b1, part.b1);
        last.edits.push(...part.edits);
        last.blocks.push(...part.blocks);
      } else places.push(part);
    }
    this.base = base;
    this.final = final;
    this.places = places.map((place) => this.#finished(place, stretches));
    this.places.forEach((place, index) => (place.index = index));
  }

  /** A place with the words that the server wrote for it. */
  #finished(place, stretches) {
    const { b0, b1, blocks } = place;
    let [f0, f1] = [0, 0];
    if (blocks.length) {
      f0 = blocks[0].b0 - (blocks[0].a0 - b0);
      f1 = blocks.at(-1).b1 + (b1 - blocks.at(-1).a1);
    } else {
      const around = stretches.find(({ equal, a0, a1 }) => equal && a0 <= b0 && b1 <= a1);
      f0 = around ? around.b0 + b0 - around.a0 : 0;
      f1 = f0 + b1 - b0;
    }
    const [from, to] = [textOf(this.base.slice(b0, b1)), textOf(this.final.slice(f0, f1))];
    const edits = place.edits.toSorted((x, y) => x.word - y.word);
    let silent = false; // only case or punctuation differ, and nobody judged it
    if (!edits.length) {
      silent = plainKey(from) === plainKey(to) || from.toLowerCase() === to.toLowerCase();
      const edit = { from, to, word: b0, kept: true, on: true, judged: false, span: [b0, b1] };
      edits.push(edit);
      if (!silent) this.edits.push(edit);
    }
    const start = f0 < f1 ? this.final[f0].start : (this.final[f0 - 1]?.end ?? this.start);
    const end = f0 < f1 ? this.final[f1 - 1].end : (this.final[f1]?.start ?? this.end);
    return { b0, b1, f0, f1, edits, silent, start, end };
  }

  /**
   * The text as it is now, in stretches: [{place, words}]. `place` is null outside of edits; a place may have no words.
   * A word is {text, glued, start, end, confidence}, with confidence null where nobody knows it.
   */
  pieces() {
    const pieces = [{ place: null, words: [] }];
    let at = 0;
    let shift = 0; // from positions in the recognizer's words to those in the server's text
    const plain = (until) => {
      for (; at < until; at += 1) pieces.at(-1).words.push({ ...this.final[at + shift] });
    };
    for (const place of this.places) {
      plain(place.b0);
      const asSent = place.silent || place.edits.every((edit) => edit.on === Boolean(edit.kept));
      const before = pieces.flatMap((piece) => piece.words).at(-1);
      const words = asSent
        ? this.final.slice(place.f0, place.f1).map((word) => ({ ...word }))
        : this.#composed(place, before);
      if (place.silent) pieces.at(-1).words.push(...words);
      else pieces.push({ place, words }, { place: null, words: [] });
      at = place.b1;
      shift = place.f1 - place.b1;
    }
    plain(this.base.length);
    const found = pieces.filter(({ place, words }) => place || words.length);
    const first = found.find(({ words }) => words.length);
    if (first) first.words[0].glued = false;
    return found;
  }

  words() {
    return this.pieces().flatMap((piece) => piece.words);
  }

  /** The words of a place whose edits the reader chose differently; `before` is the word before it, if any. */
  #composed(place, before) {
    const out = [];
    let at = place.b0;
    const keep = (until) => {
      for (; at < until; at += 1) out.push({ ...this.base[at] });
    };
    for (const edit of place.edits) {
      const [from, to] = edit.span;
      keep(from);
      if (!edit.on) continue;
      out.push(...this.#written(edit, this.base.slice(from, to), out.at(-1) ?? before));
      at = Math.max(at, to);
    }
    keep(place.b1);
    const letters = out.reduce((sum, word) => sum + word.text.length, 0) || 1;
    let start = place.start;
    return out.map((word) => {
      const end = start + ((place.end - place.start) * word.text.length) / letters;
      const timed = { ...word, start, end, confidence: null };
      start = end;
      return timed;
    });
  }

  /** The words of an edit in the writing of the words that they replace. */
  #written(edit, replaced, before) {
    const words = edit.judged ? edit.to.split(/\s+/u).filter(Boolean) : displayWords(edit.to).map((word) => word.text);
    const closing = replaced.at(-1)?.text.match(CLOSING)?.[0] ?? "";
    if (!words.length) {
      if (before && closing && !CLOSING.test(before.text)) before.text += closing;
      return [];
    }
    const written = words.map((word) => (edit.judged ? (this.forms.get(word) ?? word) : word));
    if (edit.judged) {
      const first = replaced[0]?.text ?? "";
      const startsSentence = !before || SENTENCE_END.test(before.text);
      if (startsSentence && /^\P{L}*\p{Lu}/u.test(first)) written[0] = written[0].replace(/^\p{L}/u, (c) => c.toUpperCase());
      written[0] = (first.match(OPENING)?.[0] ?? "") + written[0];
      written[written.length - 1] += closing;
    }
    return written.map((text) => ({ text, glued: false }));
  }

  /** The edits that are on and change the same words as another one, so that only one of them can be on. */
  rivals(edit) {
    const [from, to] = [edit.word, edit.word + countWords(edit.from)];
    return this.edits.filter((other) => {
      const [start, end] = [other.word, other.word + countWords(other.from)];
      const same = start === from && end === to;
      return other !== edit && other.on && other.judged === edit.judged && (same || (start < to && from < end));
    });
  }

  /** The text as it is now. */
  get text() {
    return textOf(this.words());
  }

  /** The recognizer's words with the edits that are on, to compare with the hypotheses. */
  plainWords() {
    const found = [];
    let at = 0;
    for (const edit of this.edits.filter((one) => one.judged).toSorted((x, y) => x.word - y.word)) {
      if (!edit.on) continue;
      found.push(...this.best.slice(at, edit.word), ...edit.to.split(/\s+/u).filter(Boolean));
      at = Math.max(at, edit.word + countWords(edit.from));
    }
    return [...found, ...this.best.slice(at)];
  }
}

/** What became of the edits of a place: kept, held (back), undone or applied by the reader. */
export function stateOf(place) {
  const states = place.edits.map(stateOfEdit);
  return ["undone", "applied", "kept", "held"].find((state) => states.includes(state));
}

export function stateOfEdit(edit) {
  if (edit.kept) return edit.on ? "kept" : "undone";
  return edit.on ? "applied" : "held";
}

export function countWords(text) {
  return (text ?? "").split(/\s+/u).filter(Boolean).length;
}

function touches(left, right) {
  const empty = left.b0 === left.b1 || right.b0 === right.b1;
  return empty ? right.b0 <= left.b1 : right.b0 < left.b1;
}

/** For each plain word of the 1-best: the written words that say it, as [first, after the last]. */
function spansOfPlainWords(plain, base) {
  const spans = [];
  for (const { equal, a0, a1, b0, b1 } of align(plain, base.map((word) => plainKey(word.text)))) {
    const paired = equal || a1 - a0 === b1 - b0;
    for (let i = a0; i < a1; i += 1) spans[i] = paired ? [b0 + i - a0, b0 + i - a0 + 1] : [b0, b1];
  }
  return spans;
}

function writtenSpan(spans, from, to, length) {
  if (from >= to) {
    const point = from < spans.length ? spans[from][0] : length;
    return [point, point];
  }
  const covered = spans.slice(from, to);
  if (!covered.length) return [length, length];
  return [Math.min(...covered.map((span) => span[0])), Math.max(...covered.map((span) => span[1]))];
}

/** How the hypotheses write a plain word inside sentences, such as "Martin" for "martin". */
function writtenForms(nbest) {
  const forms = new Map();
  for (const { written } of nbest) {
    let inside = false;
    for (const { text } of displayWords(written ?? "")) {
      const bare = text.replace(OPENING, "").replace(CLOSING, "");
      if (inside && bare && !forms.has(plainKey(bare))) forms.set(plainKey(bare), bare);
      inside = !SENTENCE_END.test(text);
    }
  }
  return forms;
}
