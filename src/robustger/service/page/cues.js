// Cuts the words of a transcript into subtitles and writes them as SubRip or WebVTT.

import { textOf } from "./words.js";

const LINE_WIDTH = 42;
const LONGEST_SECONDS = 6;
const SHORTEST_SECONDS = 1;
const PAUSE_SECONDS = 0.7;
const SENTENCE_END = /[.!?。！？]["'”’)]*$/u;

/** The cues of a document: [{start, end, lines}], each of one or two lines, in order and without overlap. */
export function cuesOf(document) {
  const words = document.present.flatMap((segment) => segment.words());
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const full =
      !group ||
      !fitsTwoLines([...group, word]) ||
      word.end - group[0].start > LONGEST_SECONDS ||
      word.start - last.end >= PAUSE_SECONDS ||
      (SENTENCE_END.test(last.text) && textOf(group).length >= LINE_WIDTH / 2);
    if (full) groups.push([word]);
    else group.push(word);
  }
  return groups.map((group, place) => {
    const start = group[0].start;
    const following = groups[place + 1]?.[0].start ?? Infinity;
    const end = Math.min(Math.max(group.at(-1).end, start + SHORTEST_SECONDS), following);
    return { start, end: Math.max(end, start + 0.001), lines: linesOf(group) };
  });
}

export function toSrt(cues) {
  return cues
    .map(({ start, end, lines }, place) => `${place + 1}\n${stamp(start, ",")} --> ${stamp(end, ",")}\n${lines.join("\n")}\n\n`)
    .join("");
}

export function toVtt(cues) {
  const escaped = (line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const written = cues.map(
    ({ start, end, lines }) => `${stamp(start, ".")} --> ${stamp(end, ".")}\n${lines.map(escaped).join("\n")}\n\n`,
  );
  return `WEBVTT\n\n${written.join("")}`;
}

function fitsTwoLines(words) {
  return linesOf(words).length <= 2 && linesOf(words).every((line) => line.length <= LINE_WIDTH);
}

/** One line, or the two lines of most equal length. */
function linesOf(words) {
  const whole = textOf(words);
  if (whole.length <= LINE_WIDTH || words.length < 2) return [whole];
  let best = null;
  for (let cut = 1; cut < words.length; cut += 1) {
    const lines = [textOf(words.slice(0, cut)), textOf(words.slice(cut))];
    const longest = Math.max(...lines.map((line) => line.length));
    if (!best || longest < best.longest) best = { longest, lines };
  }
  return best.lines;
}

function stamp(seconds, mark) {
  const milliseconds = Math.round(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.floor(milliseconds / 1000);
  const fraction = String(milliseconds % 1000).padStart(3, "0");
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${mark}${fraction}`;
}
