// Shows a document as text: changed words marked, doubtful ones underlined, the word that is heard highlighted.

import { byId, clock, make } from "./elements.js";
import { hypothesesTable } from "./hypotheses_view.js";
import { stateOf } from "./segment.js";

const STATE_NAMES = {
  kept: "changed",
  held: "change held back",
  undone: "change taken back by you",
  applied: "change applied by you",
};

/** Draws a document into the page. `onSeek(seconds)` is called for words that the reader clicks, if `seekable`. */
export class TranscriptView {
  #root = byId("transcript");
  #document = null;
  #timed = []; // [{start, end, element}] in order
  #now = null;
  #listening = new AbortController();

  constructor({ card, onSeek }) {
    this.card = card;
    this.onSeek = onSeek;
    this.seekable = false; // whether a click on a word goes to its time
    this.doubt = 0.4;
  }

  /** Shows a document from now on. */
  show(document) {
    this.card.hide();
    this.#document = document;
    this.#root.replaceChildren();
    document.segments.forEach((_, position) => this.draw(position));
    this.#listening.abort();
    this.#listening = new AbortController();
    const options = { signal: this.#listening.signal };
    for (const type of ["segments", "edit"]) {
      document.addEventListener(type, (event) => this.draw(event.detail.position), options);
    }
  }

  /** Below which confidence words are underlined, 0 to 1. */
  set doubtfulBelow(confidence) {
    this.doubt = confidence;
    this.#document?.segments.forEach((_, position) => this.draw(position));
  }

  /** How many words are doubtful; null if nobody knows the confidence of any word. */
  get doubtful() {
    const words = this.#document?.present.flatMap((segment) => segment.words()) ?? [];
    if (words.every((word) => word.confidence === null)) return null;
    return words.filter((word) => this.#isDoubtful(word)).length;
  }

  draw(position) {
    const segment = this.#document.segments[position];
    const old = this.#root.querySelector(`[data-position="${position}"]`);
    if (!segment) {
      old?.remove();
    } else {
      const alone = this.#root.querySelectorAll(".segment").length <= (old ? 1 : 0);
      const opened = old?.querySelector("details") ? Boolean(old.querySelector("details[open]")) : alone;
      // The table of the first segment is open until a second segment comes.
      if (!alone && !old) for (const details of this.#root.querySelectorAll("details[data-first]")) details.open = false;
      const drawn = this.#article(segment, position, opened);
      const following = [...this.#root.children].find((other) => Number(other.dataset.position) > position);
      if (old) old.replaceWith(drawn);
      else this.#root.insertBefore(drawn, following ?? null);
      for (const place of segment.places) {
        const element = drawn.querySelector(`[data-place="${place.index}"]`);
        if (element) this.card.moveTo(element, segment, place);
      }
    }
    this.#timed = [...this.#root.querySelectorAll(".word")].map((element) => ({
      start: Number(element.dataset.start),
      end: Number(element.dataset.end),
      element,
    }));
  }

  /** Highlights the word that is heard at a time, in seconds, and returns it; null where nothing is said. */
  highlight(seconds) {
    let [low, high] = [0, this.#timed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#timed[middle].start <= seconds) low = middle + 1;
      else high = middle;
    }
    const heard = this.#timed[low - 1];
    const element = heard && seconds < heard.end + 0.15 ? heard.element : null;
    if (element !== this.#now) {
      this.#now?.classList.remove("now");
      element?.classList.add("now");
      this.#now = element;
    }
    return element?.textContent ?? null;
  }

  /** The start of the word after (1) or before (-1) a time, and the word: {start, text}. */
  neighbor(seconds, step) {
    const found =
      step > 0
        ? this.#timed.find(({ start }) => start > seconds + 0.02)
        : this.#timed.findLast(({ start }) => start < seconds - 0.02);
    return found ? { start: found.start, text: found.element.textContent } : null;
  }

  #article(segment, position, opened) {
    const name = segment.timed ? clock(segment.start) : this.#document.names(position);
    const time =
      segment.timed && this.seekable
        ? make("button", { type: "button", class: "time", "aria-label": `Play from ${name}`, onclick: () => this.onSeek(segment.start) }, name)
        : name && make("span", { class: "time" }, name);
    const text = make("p", { class: "text", lang: segment.raw.language ?? null }, ...this.#words(segment, position));
    if (!segment.text) text.append(make("em", { class: "empty" }, "No speech was found here."));
    const article = make(
      "article",
      { class: `segment${segment.pending ? " pending" : ""}`, "data-position": position },
      time || null,
      text,
      segment.pending ? make("p", { class: "waiting" }, "Pending: this text is not corrected yet.") : null,
      this.#list(segment, opened),
    );
    return article;
  }

  #words(segment, position) {
    const nodes = [];
    let afterText = false; // a place without words has its blank before it
    for (const { place, words } of segment.pieces()) {
      if (afterText && !words[0]?.glued) nodes.push(" ");
      afterText = words.length > 0;
      if (place) nodes.push(this.#change(segment, position, place, words));
      else nodes.push(...this.#plain(words, segment));
    }
    return nodes;
  }

  #plain(words, segment) {
    return words.flatMap((word, index) => {
      const element = make("span", { class: `word${this.#isDoubtful(word) ? " doubtful" : ""}` }, word.text);
      if (segment.timed) {
        element.dataset.start = word.start;
        element.dataset.end = word.end;
        if (this.seekable) element.addEventListener("click", () => this.onSeek(word.start));
      } else element.classList.remove("word");
      if (word.confidence !== null) element.title = `confidence ${Math.round(100 * word.confidence)} %`;
      return index && !word.glued ? [" ", element] : [element];
    });
  }

  #change(segment, position, place, words) {
    const state = stateOf(place);
    const from = place.edits.map((edit) => edit.from || "nothing").join(", ");
    const to = place.edits.map((edit) => edit.to || "nothing").join(", ");
    const shown = words.map((word) => word.text).join(" ") || "removed words";
    const missing = place.edits.map((edit) => edit.from || edit.to).join(" ");
    const element = make(
      "span",
      {
        "data-missing": words.length ? null : place.edits.some((edit) => edit.from) || state === "undone" ? missing : `+ ${missing}`,
        class: `change ${state}${words.length ? "" : " absent"}`,
        role: "button",
        tabindex: "0",
        "data-place": place.index,
        "aria-expanded": "false",
        "aria-controls": "card",
        "aria-label": `${shown}, ${STATE_NAMES[state]}: ${from} to ${to}`,
      },
      ...this.#plain(words, segment),
    );
    this.card.attach(element, position, segment, place);
    return element;
  }

  #list(segment, opened) {
    if (segment.nbest.length < 2 || segment.pending) return null;
    const details = make(
      "details",
      { class: "list", "data-first": opened },
      make("summary", { onclick: () => details.removeAttribute("data-first") }, `${segment.nbest.length} hypotheses`),
    );
    const fill = () => details.open && details.childElementCount === 1 && details.append(hypothesesTable(segment));
    details.addEventListener("toggle", fill);
    details.open = opened;
    fill();
    return details;
  }

  #isDoubtful(word) {
    return word.confidence !== null && word.confidence < this.doubt;
  }
}
