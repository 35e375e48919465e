// Requests to the service, with the key of the reader, and with errors that say what the server said.

/** What the server or the network refused; `message` is ready to be shown. */
export class ServiceError extends Error {
  constructor(message, { status = 0, code = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const OURS = ["nbest", "uncorrected", "edits", "noise"];
const ONLY_AS_JOB = new Set(["audio_too_long", "file_too_large"]); // codes of errors
const MOST_WAITED_FOR_BYTES = 150e6; // a server that refuses a larger body breaks the connection off, which tells nothing
const JOB_POLL_MS = 1000;

/** The service that the page came from. `askForKey(message)` resolves to a key, or to null if the reader gives none. */
export class Service {
  #key = readKey();
  #asking = null;

  constructor(askForKey) {
    this.askForKey = askForKey;
  }

  get hasKey() {
    return Boolean(this.#key);
  }

  set key(key) {
    this.#key = key;
    try {
      if (key) sessionStorage.setItem("robustger-key", key);
      else sessionStorage.removeItem("robustger-key");
    } catch {
      // Without storage the key lives as long as the page.
    }
  }

  /** The description of the model that the service runs. */
  async model() {
    const answer = await (await this.#request("v1/models")).json();
    return answer.data?.[0] ?? {};
  }

  /** Corrects lists: [{hypotheses, scores?}]; one result each, in order. */
  async correct(lists, signal) {
    const response = await this.#request("v1/corrections", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ lists }),
      signal,
    });
    return (await response.json()).results;
  }

  /**
   * Transcribes a recording, as a job if it is too long to be waited for. `onProgress({status, done, total})` is told of
   * jobs, in seconds of the recording. Other arguments and the answer as for `transcribe`.
   */
  async transcribeAny(recording, { onProgress, ...fields }) {
    if (recording.size <= MOST_WAITED_FOR_BYTES) {
      try {
        return await this.transcribe(recording, fields);
      } catch (error) {
        if (!ONLY_AS_JOB.has(error.code)) throw error;
      }
    }
    return this.#transcribeAsJob(recording, { ...fields, onProgress });
  }

  async #transcribeAsJob(recording, { onProgress, onSegment, signal, ...fields }) {
    const body = this.#form(recording, { ...fields, stream: false });
    let job = await (await this.#request("v1/jobs", { method: "POST", body, signal })).json();
    const path = `v1/jobs/${encodeURIComponent(job.id)}`;
    try {
      while (job.status === "queued" || job.status === "running") {
        onProgress?.({ status: job.status, done: job.seconds_done, total: job.seconds_total });
        await pause(JOB_POLL_MS, signal);
        job = await (await this.#request(path, { signal })).json();
      }
    } finally {
      // Cancels it, or deletes its result: the page has it, and nobody else asks for it.
      this.#request(path, { method: "DELETE" }).catch(() => {});
    }
    if (job.status !== "done") throw errorOf(job, 200);
    const segments = job.result.robustger?.segments ?? [];
    segments.forEach((segment) => onSegment?.(segment));
    return { ...job.result, segments };
  }

  /**
   * Transcribes a recording. `onSegment` gets each segment when it is finished, if the server streams.
   * Returns the whole answer, with `segments` in our own form.
   */
  async transcribe(recording, { onSegment, signal, ...fields } = {}) {
    const form = this.#form(recording, fields);
    const response = await this.#request("v1/audio/transcriptions", { method: "POST", body: form, signal });
    if (!(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
      const answer = await response.json();
      const segments = answer.robustger?.segments ?? answer.segments ?? [];
      segments.forEach((segment) => onSegment?.(segment));
      return { ...answer, segments };
    }
    const segments = [];
    let answer = {};
    for await (const { type, data } of serverEvents(response.body)) {
      if (type === "robustger.segment") {
        const segment = data.segment ?? data;
        segments.push(segment);
        onSegment?.(segment);
      } else if (type === "transcript.text.done") answer = data;
      else if (type === "error" || data?.error) throw errorOf(data, response.status);
    }
    return { ...answer, segments };
  }

  #form(recording, { name, language, prompt, correction, stream = true }) {
    const form = new FormData();
    form.append("file", recording, name ?? "recording.wav");
    form.append("model", this.modelName ?? "whisper");
    form.append("response_format", "verbose_json");
    for (const kind of ["segment", "word"]) form.append("timestamp_granularities[]", kind);
    for (const wish of OURS) form.append("include[]", wish);
    if (language) form.append("language", language);
    if (prompt) form.append("prompt", prompt);
    if (correction) form.append("correction", correction);
    if (stream) form.append("stream", "true");
    return form;
  }

  async #request(path, options = {}) {
    let refused = null;
    for (;;) {
      const headers = new Headers(options.headers);
      if (this.#key) headers.set("Authorization", `Bearer ${this.#key}`);
      const used = this.#key;
      let response;
      try {
        response = await fetch(new URL(path, document.baseURI), { ...options, headers });
      } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ServiceError("The service does not answer. Is it still running?");
      }
      if (response.ok) return response;
      const error = await errorIn(response);
      if (response.status !== 401) throw error;
      if (used === this.#key) {
        refused = used ? "The service does not know this key." : null;
        // Requests that are refused at the same time ask once.
        this.#asking ??= this.askForKey(refused).finally(() => (this.#asking = null));
        const key = await this.#asking;
        if (!key) throw error;
        this.key = key;
      }
    }
  }
}

async function errorIn(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // A proxy between page and service answers in its own way.
  }
  const error = errorOf(body, response.status);
  const wait = Number(response.headers.get("Retry-After"));
  if (response.status === 503 && wait > 0) error.message += ` Try again in ${wait} seconds.`;
  return error;
}

function errorOf(body, status) {
  const { message, code } = body?.error ?? {};
  return new ServiceError(message ?? `The service answered with status ${status}.`, { status, code });
}

/** The events of a stream: {type, data}, with data read as JSON. */
async function* serverEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    text = (text + (value ?? "")).replaceAll("\r\n", "\n");
    const blocks = text.split("\n\n");
    text = done ? "" : blocks.pop();
    for (const block of blocks) {
      const found = eventOf(block);
      if (found) yield found;
    }
    if (done) return;
  }
}

function eventOf(block) {
  let type = null;
  const lines = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) type = line.slice(6).trim();
    else if (line.startsWith("data:")) lines.push(line.slice(5).trimStart());
  }
  const joined = lines.join("\n");
  if (!joined || joined === "[DONE]") return null;
  const data = JSON.parse(joined);
  return { type: data.type ?? type, data };
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function readKey() {
  try {
    return sessionStorage.getItem("robustger-key");
  } catch {
    return null;
  }
}
