// Shows the hypotheses of a segment in columns, with the words colored in which they disagree.

import { make } from "./elements.js";
import { align, plainKey } from "./words.js";

const COLORS = 5;
const LONG = 28; // characters; a longer cell is cut off on the screen

/**
 * The columns of a list: [{from, to, agree, cells, variants}]. A column covers the words `from` to `to` of the 1-best,
 * or is a gap between two of them (`from` equals `to`) in which others have words. `cells` has a text for each hypothesis,
 * empty if it has no word there; `variants` has the different texts, that of the 1-best first.
 * `extra` is one more list of words to align, such as the text as it is now; its cells are the last ones.
 */
export function columnsOf(texts, extra = null) {
  const rows = [...texts.map((text) => text.split(/\s+/u).filter(Boolean)), ...(extra ? [extra] : [])];
  const best = rows[0] ?? [];
  const aligned = rows.map((row) => cellsOf(best, row));
  const columns = [];
  for (let place = 0; place <= best.length; place += 1) {
    addColumn(columns, aligned.map((row) => row.gaps[place]), place, place);
    if (place < best.length) addColumn(columns, aligned.map((row) => row.words[place]), place, place + 1);
  }
  return joinedAgreement(columns);
}

function cellsOf(best, row) {
  const words = best.map(() => "");
  const gaps = Array.from({ length: best.length + 1 }, () => "");
  const [left, right] = [best.map(plainKey), row.map(plainKey)];
  for (const { a0, a1, b0, b1 } of align(left, right)) {
    const shared = Math.min(a1 - a0, b1 - b0);
    for (let i = 0; i < shared; i += 1) words[a0 + i] = row[b0 + i];
    if (b1 - b0 > shared) gaps[a0 + shared] = row.slice(b0 + shared, b1).join(" ");
  }
  return { words, gaps };
}

function addColumn(columns, cells, from, to) {
  if (from === to && cells.every((cell) => !cell)) return;
  const variants = [...new Set(cells)];
  columns.push({ from, to, agree: variants.length === 1, cells, variants });
}

/** Neighboring columns without disagreement become one. */
function joinedAgreement(columns) {
  const found = [];
  for (const column of columns) {
    const last = found.at(-1);
    if (last?.agree && column.agree) {
      last.to = column.to;
      last.cells = last.cells.map((cell, row) => `${cell} ${column.cells[row]}`);
      last.variants = [last.cells[0]];
    } else found.push({ ...column });
  }
  return found;
}

/** What the hypotheses say between two words of the 1-best: [{text, votes, score}], by the best score of each. */
export function variantsBetween(nbest, from, to) {
  const best = nbest[0]?.text.split(/\s+/u).filter(Boolean) ?? [];
  const found = new Map();
  for (const { text, score } of nbest) {
    const row = cellsOf(best, text.split(/\s+/u).filter(Boolean));
    const parts = [];
    for (let place = from; place <= to; place += 1) {
      // Words before the place belong to it only if nothing of the 1-best stands there.
      if (row.gaps[place] && (place > from || from === to)) parts.push(row.gaps[place]);
      if (place < to && row.words[place]) parts.push(row.words[place]);
    }
    const said = parts.join(" ");
    const known = found.get(said) ?? { text: said, votes: 0, score: null };
    known.votes += 1;
    if (Number.isFinite(score) && (known.score === null || score > known.score)) known.score = score;
    found.set(said, known);
  }
  return [...found.values()];
}

/** The table of a segment's hypotheses. */
export function hypothesesTable(segment) {
  const { nbest } = segment;
  const columns = columnsOf(nbest.map((one) => one.text), segment.plainWords());
  const scored = nbest.some((one) => Number.isFinite(one.score));
  const body = nbest.map((one, rank) => rowOf(columns, rank, String(rank + 1), scored ? scoreText(one.score) : null));
  const current = rowOf(columns, nbest.length, "Text", scored ? "" : null);
  current.className = "current";
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "Rank"),
    scored ? make("th", { scope: "col", title: "log-probability given by the recognizer" }, "Score") : null,
    make("th", { scope: "col", colspan: Math.max(columns.length, 1) }, "Words"),
  );
  return make(
    "div",
    { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Hypotheses in columns" },
    make("table", { class: "hypotheses" }, make("thead", {}, head), make("tbody", {}, current, ...body)),
  );
}

function rowOf(columns, row, name, score) {
  const cells = columns.map(({ agree, cells, variants }) => {
    const text = cells[row];
    if (agree) return make("td", { class: "agree", title: shortened(text) === text ? null : text }, shortened(text));
    const variant = variants.indexOf(text);
    const color = variant === 0 ? "" : ` v${Math.min(variant, COLORS)}`;
    const shown = text || "–";
    return make("td", { class: `differ${color}`, title: text.length > LONG ? text : null }, make("span", {}, shown));
  });
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    score === null ? null : make("td", { class: "score" }, score),
    ...cells,
  );
}

/** The ends of a long stretch: what all hypotheses say alike must not push their differences out of sight. */
function shortened(text) {
  const words = text.split(" ");
  return words.length <= 5 ? text : [...words.slice(0, 2), "…", ...words.slice(-2)].join(" ");
}

function scoreText(score) {
  return Number.isFinite(score) ? score.toFixed(1).replace("-", "−") : "";
}
