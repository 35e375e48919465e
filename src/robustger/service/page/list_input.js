// Reads pasted N-best lists: JSON, JSON Lines, or one hypothesis on each line.

/** Says what is wrong with a pasted list. */
export class ListError extends Error {}

/** The lists of a text: [{hypotheses, scores?, ...}]. Throws a ListError. */
export function listsIn(text) {
  const trimmed = text.trim();
  if (!trimmed) throw new ListError("Paste a list first: JSON, or one hypothesis on each line.");
  if (/^[[{]/.test(trimmed)) return fromJson(trimmed);
  return trimmed
    .split(/\n\s*\n/u)
    .map((block) => ({ hypotheses: block.split("\n").map((line) => line.trim()).filter(Boolean) }));
}

function fromJson(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    value = fromJsonLines(text);
    if (!value) throw new ListError(`This is not valid JSON: ${error.message}`);
  }
  if (Array.isArray(value?.lists)) value = value.lists;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) value = [{ hypotheses: value }];
  const lists = (Array.isArray(value) ? value : [value]).map((one) => (Array.isArray(one) ? { hypotheses: one } : one));
  if (!lists.length) throw new ListError("There is no list in this JSON.");
  lists.forEach((list, place) => {
    if (!Array.isArray(list?.hypotheses) || !list.hypotheses.length) {
      throw new ListError(`List ${place + 1} has no "hypotheses": an array of texts, best first.`);
    }
    if (!list.hypotheses.every((one) => typeof one === "string")) {
      throw new ListError(`In list ${place + 1}, every hypothesis must be a text.`);
    }
  });
  const known = ["id", "hypotheses", "scores", "language"];
  return lists.map((list) => Object.fromEntries(known.filter((key) => list[key] != null).map((key) => [key, list[key]])));
}

function fromJsonLines(text) {
  try {
    return text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  } catch {
    return null;
  }
}

/** A result of the service for one list as a segment of a document. */
export function segmentOfResult(list, result) {
  return {
    text: result.text ?? "",
    uncorrected: result.uncorrected ?? list.hypotheses[0],
    edits: result.edits ?? [],
    confidence: result.confidence ?? null,
    nbest: list.hypotheses.map((text, rank) => ({ text, written: text, score: list.scores?.[rank] ?? null })),
    ...(result.id === undefined ? {} : { id: result.id }),
  };
}
