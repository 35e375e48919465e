// Cuts texts into words and aligns sequences of words.

const UNSPACED =
  /[\u0E00-\u0FFF\u1000-\u109F\u1780-\u17FF\u2E80-\u312F\u31A0-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\uFE30-\uFE4F\uFF01-\uFF9F\u{20000}-\u{3FFFF}]/u;
const STAYS_WITH_LEFT = /[\p{M}\p{Cf}\p{Pe}\p{Pf}\p{Po}\p{Pd}々〻ゝゞーぁぃぅぇぉっゃゅょァィゥェォッャュョ]/u;
const STAYS_WITH_RIGHT = /[\p{Ps}\p{Pi}เแโใไ]/u;

/** The parts of a text between which a line may break: [{text, glued}]; `glued` parts follow without a blank. */
export function displayWords(text) {
  const found = [];
  for (const stretch of text.split(/\s+/u)) {
    let part = "";
    let glued = false;
    let last = "";
    for (const character of stretch) {
      const cut =
        part &&
        (UNSPACED.test(last) || UNSPACED.test(character)) &&
        !STAYS_WITH_LEFT.test(character) &&
        !STAYS_WITH_RIGHT.test(last);
      if (cut) {
        found.push({ text: part, glued });
        part = "";
        glued = true;
      }
      part += character;
      last = character;
    }
    if (part) found.push({ text: part, glued });
  }
  return found;
}

/** One text of words as `displayWords` gives them. */
export function textOf(words) {
  return words.map((word, place) => (word.glued || place === 0 ? "" : " ") + word.text).join("");
}

/** A word without case and surrounding punctuation, by which written and plain words are compared. */
export function plainKey(word) {
  const bare = word.normalize("NFKC").toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
  return bare || word;
}

/**
 * Aligns two lists of strings with the fewest changes; similar words are aligned with each other where there is a choice.
 * Returns stretches [{equal, a0, a1, b0, b1}], in which equal and different ones alternate.
 */
export function align(a, b) {
  const width = b.length + 1;
  const costs = new Float64Array((a.length + 1) * width);
  for (let i = 0; i <= a.length; i += 1) {
    for (let j = 0; j <= b.length; j += 1) {
      if (i === 0 || j === 0) {
        costs[i * width + j] = i + j;
        continue;
      }
      const replaced = costs[(i - 1) * width + j - 1] + distance(a[i - 1], b[j - 1]);
      const removed = costs[(i - 1) * width + j] + 1;
      const inserted = costs[i * width + j - 1] + 1;
      costs[i * width + j] = Math.min(replaced, removed, inserted);
    }
  }
  const steps = [];
  let [i, j] = [a.length, b.length];
  while (i || j) {
    const here = costs[i * width + j];
    if (i && j && near(here, costs[(i - 1) * width + j - 1] + distance(a[i - 1], b[j - 1]))) {
      i -= 1;
      j -= 1;
      steps.push([a[i] === b[j], i, i + 1, j, j + 1]);
    } else if (i && near(here, costs[(i - 1) * width + j] + 1)) {
      i -= 1;
      steps.push([false, i, i + 1, j, j]);
    } else {
      j -= 1;
      steps.push([false, i, i, j, j + 1]);
    }
  }
  const stretches = [];
  for (const [equal, a0, a1, b0, b1] of steps.reverse()) {
    const last = stretches.at(-1);
    if (last && last.equal === equal) Object.assign(last, { a1, b1 });
    else stretches.push({ equal, a0, a1, b0, b1 });
  }
  return stretches;
}

function near(x, y) {
  return Math.abs(x - y) < 1e-9;
}

/** 0 for the same word, nearly 1 for words with nothing in common. */
function distance(x, y) {
  if (x === y) return 0;
  const shorter = Math.min(x.length, y.length);
  let front = 0;
  while (front < shorter && x[front] === y[front]) front += 1;
  let back = 0;
  while (back < shorter - front && x.at(-1 - back) === y.at(-1 - back)) back += 1;
  return 1 - (0.2 * (front + back)) / Math.max(x.length, y.length);
}
