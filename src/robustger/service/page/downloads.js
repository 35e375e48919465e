// Writes a document as a file that the reader keeps, with the edits that the reader chose.

import { cuesOf, toSrt, toVtt } from "./cues.js";
import { make } from "./elements.js";
import { textOf } from "./words.js";

const FORMATS = {
  txt: { type: "text/plain", write: (document) => `${document.present.map((one) => one.text).join("\n")}\n` },
  srt: { type: "application/x-subrip", write: (document) => toSrt(cuesOf(document)) },
  vtt: { type: "text/vtt", write: (document) => toVtt(cuesOf(document)) },
  json: { type: "application/json", write: (document) => `${JSON.stringify(asJson(document), null, 2)}\n` },
};

/** Gives the reader a document as a file; `format` is txt, srt, vtt or json. */
export function download(transcript, format) {
  const { type, write } = FORMATS[format];
  const address = URL.createObjectURL(new Blob([write(transcript)], { type }));
  const name = transcript.title.replace(/\.[^.]{1,5}$/, "") || "transcript";
  const link = make("a", { href: address, download: `${name}.${format}`, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What the server sent, with the reader's text; `chosen` says for each edit whether the text has it. */
function asJson(transcript) {
  const segments = transcript.present.map((segment) => {
    const words = segment.words();
    const fields = {
      ...segment.raw,
      text: textOf(words),
      edits: segment.edits.map(({ on, span: _span, judged: _judged, ...edit }) => ({ ...edit, chosen: on })),
    };
    if (!segment.timed) return fields;
    return {
      ...fields,
      start: rounded(segment.start),
      end: rounded(segment.end),
      words: words.map(({ text, start, end, confidence }) => ({
        word: text,
        start: rounded(start),
        end: rounded(end),
        confidence,
      })),
    };
  });
  return { title: transcript.title, text: transcript.text, segments };
}

function rounded(seconds) {
  return Math.round(seconds * 1000) / 1000;
}
