// The card beside a changed word: the alternatives, the evidence for each, and why an edit was kept or held back.

import { announce, byId, make } from "./elements.js";
import { variantsBetween } from "./hypotheses_view.js";
import { countWords, stateOfEdit } from "./segment.js";

const STATES = {
  kept: "Changed by the correction",
  held: "Held back by the correction",
  undone: "Taken back by you",
  applied: "Applied by you",
};
const SHOW_AFTER_MS = 120;
const HIDE_AFTER_MS = 250;
const FULL_BAR_NATS = 12;
const MARGIN = 10; // pixels around the card

/** One card for all places; `onToggle(position, edit)` switches an edit. */
export class ChangeCard {
  #card = byId("card");
  #anchor = null;
  #shown = null;
  #timer = 0;
  #returning = false;

  constructor(onToggle) {
    this.onToggle = onToggle;
    this.#card.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    this.#card.addEventListener("pointerleave", () => this.#hideSoon());
    this.#card.addEventListener("focusout", (event) => {
      if (!this.#card.contains(event.relatedTarget) && event.relatedTarget) this.hide();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.#card.hidden) return;
      if (this.#card.contains(document.activeElement)) this.#close();
      else this.hide();
      event.stopPropagation();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.#card.contains(event.target) && !this.#anchor?.contains(event.target)) this.hide();
    });
    addEventListener("resize", () => this.#place());
    addEventListener("scroll", () => this.#place(), { passive: true });
  }

  /** Lets an element show the card of a place. */
  attach(element, position, segment, place) {
    const show = () => this.#show(element, position, segment, place);
    element.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "mouse") return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(show, this.#card.hidden ? SHOW_AFTER_MS : HIDE_AFTER_MS);
    });
    element.addEventListener("pointerleave", () => this.#hideSoon());
    element.addEventListener("focus", () => !this.#returning && element.matches(":focus-visible") && show());
    element.addEventListener("blur", (event) => {
      if (!this.#card.contains(event.relatedTarget)) this.#hideSoon();
    });
    const enter = () => {
      show();
      this.#card.querySelector("button")?.focus({ preventScroll: true });
    };
    element.addEventListener("click", enter);
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      enter();
    });
  }

  /** Keeps the card at a place whose element has been drawn anew. */
  moveTo(element, segment, place) {
    if (this.#shown?.segment !== segment || this.#shown?.place !== place) return;
    const inside = this.#card.contains(document.activeElement) ? document.activeElement.dataset.edit : null;
    this.#show(element, this.#shown.position, segment, place);
    if (inside !== null) this.#card.querySelector(`[data-edit="${inside}"]`)?.focus({ preventScroll: true });
  }

  hide() {
    clearTimeout(this.#timer);
    this.#card.hidden = true;
    this.#anchor?.setAttribute("aria-expanded", "false");
    this.#anchor = null;
    this.#shown = null;
  }

  #hideSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#card.contains(document.activeElement) && document.activeElement !== this.#anchor) this.hide();
    }, HIDE_AFTER_MS);
  }

  #show(element, position, segment, place) {
    clearTimeout(this.#timer);
    if (this.#anchor !== element) this.#anchor?.setAttribute("aria-expanded", "false");
    this.#anchor = element;
    this.#shown = { position, segment, place };
    element.setAttribute("aria-expanded", "true");
    this.#card.replaceChildren(
      ...place.edits.map((edit, index) => this.#section(position, segment, edit, index)),
      make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.#close() }, "×"),
    );
    this.#card.hidden = false;
    this.#card.scrollTop = 0;
    this.#place({ opening: true });
  }

  /** Hides the card and gives the focus back to its word, which does not show it again. */
  #close() {
    const anchor = this.#anchor;
    this.#returning = true;
    this.hide();
    anchor?.focus({ preventScroll: true });
    this.#returning = false;
  }

  #section(position, segment, edit, index) {
    const state = stateOfEdit(edit);
    const action = edit.on ? "Take back" : "Apply";
    const toggle = () => {
      this.onToggle(position, edit);
      announce(`${edit.on ? "Applied" : "Taken back"}: ${spoken(edit.from)} to ${spoken(edit.to)}.`);
    };
    return make(
      "section",
      { class: `judgment ${state}` },
      make("p", { class: "state" }, STATES[state]),
      make(
        "div",
        { class: "swap" },
        make(
          "p",
          {},
          make("del", {}, edit.from || "nothing"),
          make("span", { "aria-hidden": "true" }, " → "),
          make("ins", {}, edit.to || "nothing"),
        ),
        make("button", { type: "button", class: "primary", "data-edit": index, onclick: toggle }, action),
      ),
      edit.reason ? make("p", { class: "reason" }, edit.reason) : null,
      edit.judged ? evidence(edit) : make("p", { class: "reason" }, "The service sent no evidence for this change."),
      edit.judged ? alternatives(segment, edit) : null,
    );
  }

  /** Puts the card below its word, or above where there is more room; on narrow screens the style sheet places it. */
  #place({ opening = false } = {}) {
    if (this.#card.hidden || !this.#anchor) return;
    if (!this.#anchor.isConnected) return;
    const narrow = matchMedia("(max-width: 40rem)").matches;
    this.#card.classList.toggle("sheet", narrow);
    if (narrow) {
      for (const side of ["left", "top", "maxHeight"]) this.#card.style[side] = "";
      // The sheet at the bottom must not hide the word that it is about.
      const hidden = this.#anchor.getBoundingClientRect().bottom - this.#card.getBoundingClientRect().top + 24;
      if (hidden > 0 && opening) scrollBy({ top: hidden });
      return;
    }
    const word = this.#anchor.getClientRects()[0];
    const [above, below] = [word.top - 2 * MARGIN, innerHeight - word.bottom - 2 * MARGIN];
    this.#card.style.maxHeight = "";
    const fits = this.#card.offsetHeight <= below;
    const down = fits || below >= above;
    this.#card.style.maxHeight = fits ? "" : `${Math.max(down ? below : above, 180)}px`;
    const left = Math.max(Math.min(word.left - 16, document.documentElement.clientWidth - this.#card.offsetWidth - MARGIN), MARGIN);
    const top = down ? word.bottom + MARGIN : word.top - this.#card.offsetHeight - MARGIN;
    this.#card.style.left = `${left + scrollX}px`;
    this.#card.style.top = `${top + scrollY}px`;
  }
}

function spoken(text) {
  return text || "nothing";
}

/** The scores of the change: how much each judge prefers it to the recognizer's words. */
function evidence(edit) {
  const rows = [
    ["Recognizer", edit.recognizer_gain, ""],
    ["Second recognizer", edit.second_gain, ""],
    ["Language model", edit.prior_gain, Number.isFinite(edit.language_model_gain) ? "sentence alone" : ""],
    ["Language model", edit.language_model_gain, "with the list"],
    ["All evidence", edit.gain, ""],
  ].filter(([, gain]) => Number.isFinite(gain));
  if (!rows.length) return null;
  return make(
    "table",
    { class: "evidence" },
    make("caption", {}, "For the change (+) or against it (−), in nats"),
    make("tbody", {}, ...rows.map(([judge, gain, how]) => evidenceRow(judge, gain, how))),
  );
}

function evidenceRow(judge, gain, how) {
  const share = Math.min(Math.abs(gain) / FULL_BAR_NATS, 1) * 50;
  const fill = make("span", { class: gain < 0 ? "against" : "for" });
  fill.style.width = `${share}%`;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, judge, how ? make("small", {}, how) : null),
    make("td", {}, make("span", { class: "bar", "aria-hidden": "true" }, fill)),
    make("td", { class: "number" }, signed(gain)),
  );
}

/** What else was heard here, with the score of the best hypothesis that says it. */
function alternatives(segment, edit) {
  if (segment.nbest.length < 2) return null;
  const found = variantsBetween(segment.nbest, edit.word, edit.word + countWords(edit.from));
  const best = segment.nbest[0].score;
  const heard = found.some(({ score }) => Number.isFinite(score));
  const rows = found.map(({ text, votes, score }) => {
    const now = text === (edit.on ? edit.to : edit.from);
    const apart = Number.isFinite(score) && Number.isFinite(best) ? signed(score - best) : "";
    const judged = text === edit.from ? 0 : text === edit.to ? (edit.prior_gain ?? edit.language_model_gain) : null;
    return make(
      "tr",
      { class: now ? "now" : null },
      make("th", { scope: "row" }, text || "nothing", now ? make("small", {}, "in the text") : null),
      make("td", { class: "number" }, String(votes)),
      heard ? make("td", { class: "number" }, apart) : null,
      make("td", { class: "number" }, Number.isFinite(judged) ? signed(judged) : "–"),
    );
  });
  const head = ["Words", "Times", ...(heard ? ["Recognizer"] : []), "Language model"];
  return make(
    "table",
    { class: "alternatives" },
    make("caption", {}, `What ${segment.nbest.length} hypotheses have here; scores relative to the first`),
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.slice(0, 6)),
  );
}

function signed(number) {
  const text = Math.abs(number).toFixed(1);
  return number > 0.05 ? `+${text}` : number < -0.05 ? `−${text}` : "0.0";
}
