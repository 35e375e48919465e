// Wires the page together: where speech comes from, what the service makes of it, and how that is shown.

import { ServiceError, Service } from "./api.js";
import { TranscriptDocument } from "./document.js";
import { announce, byId, clock, count, showError } from "./elements.js";
import { askForKey } from "./key_dialog.js";
import { ListError, listsIn, segmentOfResult } from "./list_input.js";
import { LiveSession } from "./live.js";
import { Microphone } from "./microphone.js";
import { Result } from "./result.js";
import { wireTabs } from "./tabs.js";
import { joinedSamples, wavOf } from "./wav.js";

const service = new Service(askForKey);
const result = new Result();
let running = null; // the AbortController of the work that the reader waits for

function options() {
  return { language: byId("language").value.trim(), prompt: byId("terms").value.trim() };
}

/** Shows how far the work is, 0 to 1; null where nobody knows. */
function showProgress(text, share = null) {
  byId("progress").hidden = text === null;
  if (text === null) return;
  byId("progress-text").textContent = text;
  const bar = byId("progress-bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

/** Does a piece of work that can be canceled, and shows what went wrong. */
async function work(task) {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  showError(null);
  try {
    await task(controller.signal);
  } catch (error) {
    if (error.name === "AbortError") {
      if (running === controller) announce("Canceled.");
    } else {
      showError(error.message);
      const expected = error instanceof ServiceError || error instanceof ListError;
      if (!expected) console.error(error);
    }
  } finally {
    if (running === controller) {
      running = null;
      showProgress(null);
    }
  }
}

function transcribe(recording, name) {
  return work(async (signal) => {
    const transcript = new TranscriptDocument({ title: name });
    byId("nothing").hidden = true;
    const length = result.show(transcript, recording);
    let seconds = null;
    length.then((known) => (seconds = known));
    showProgress("Sending the recording and listening …");
    announce(`Transcribing ${name}.`);
    const answer = await service.transcribeAny(recording, {
      ...options(),
      name,
      signal,
      onProgress: ({ status, done, total }) => {
        if (status === "queued") showProgress("This is long; it waits for its turn …");
        else if (total) showProgress(`Heard ${clock(done ?? 0)} of ${clock(total)}`, Math.min((done ?? 0) / total, 1));
      },
      onSegment: (raw) => {
        if (signal.aborted) return;
        transcript.add(raw);
        if (!seconds || !Number.isFinite(raw.end)) return;
        showProgress(`Heard ${clock(raw.end)} of ${clock(seconds)}`, Math.min(raw.end / seconds, 1));
      },
    });
    if (!answer.segments.length) announce("No speech was found.");
    byId("nothing").hidden = answer.segments.length > 0;
    announce(`Done. ${byId("summary").textContent}`);
  });
}

function correctLists(text) {
  return work(async (signal) => {
    const lists = listsIn(text);
    showProgress(`Correcting ${count(lists.length, "list")} …`);
    const results = await service.correct(lists, signal);
    const title = lists.length === 1 ? "List" : `${lists.length} lists`;
    const transcript = new TranscriptDocument({
      title,
      withTimes: false,
      names: (position) => (lists.length > 1 ? `List ${position + 1}` : null),
    });
    result.show(transcript);
    byId("nothing").hidden = true;
    const problems = [];
    results.forEach((one, place) => {
      if (one.error) problems.push(`List ${place + 1}: ${one.error.message}`);
      else transcript.replace(place, segmentOfResult(lists[place], one));
    });
    if (problems.length) showError(problems.join(" "));
    announce(`Done. ${byId("summary").textContent}`);
  });
}

function wireFiles() {
  const zone = byId("dropzone");
  const field = byId("file");
  const take = (files) => files[0] && transcribe(files[0], files[0].name);
  field.addEventListener("change", () => {
    take(field.files);
    field.value = ""; // the same file may be chosen again
  });
  byId("choose").addEventListener("click", () => field.click());
  for (const type of ["dragover", "dragenter"]) {
    zone.addEventListener(type, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", (event) => zone.contains(event.relatedTarget) || zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else showError("Drop a file with a recording.");
  });
  // A file dropped beside the zone must not replace the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
}

/** A button that starts and stops something that runs for a while; shows the time beside it. */
function wireSwitch(button, clockElement, { start, stop, labels }) {
  let stopping = null;
  let timer = 0;
  button.addEventListener("click", async () => {
    if (button.disabled) return;
    button.disabled = true;
    try {
      if (stopping) {
        clearInterval(timer);
        clockElement.textContent = "";
        button.textContent = labels[0];
        button.classList.remove("recording");
        const ending = stopping;
        stopping = null;
        await stop(ending);
      } else {
        showError(null);
        stopping = await start();
        const began = Date.now();
        timer = setInterval(() => (clockElement.textContent = clock((Date.now() - began) / 1000)), 250);
        button.textContent = labels[1];
        button.classList.add("recording");
        announce("Recording.");
      }
    } catch (error) {
      showError(error.message);
    } finally {
      button.disabled = false;
    }
  });
}

function wireRecorder() {
  wireSwitch(byId("record"), byId("record-time"), {
    labels: ["Record", "Stop"],
    start: async () => {
      const blocks = [];
      const microphone = await Microphone.open((block) => blocks.push(block));
      return { blocks, microphone };
    },
    stop: async ({ blocks, microphone }) => {
      await microphone.close();
      transcribe(wavOf(joinedSamples(blocks), microphone.sampleRate), "recording.wav");
    },
  });
}

function wireLive() {
  let waiting = 0;
  const onState = (change) => {
    waiting += change;
    byId("live-state").textContent = waiting ? "Listening and correcting …" : "";
  };
  wireSwitch(byId("live"), byId("live-time"), {
    labels: ["Start speaking", "Stop"],
    start: async () => {
      running?.abort();
      const transcript = new TranscriptDocument({ title: "live.wav" });
      transcript.addEventListener("segments", (event) => {
        const segment = transcript.segments[event.detail.position];
        if (segment && !segment.pending) announce(segment.text);
      });
      const session = new LiveSession(service, transcript, {
        options: options(),
        onState,
        onError: (error) => showError(error.message),
      });
      await session.start();
      byId("nothing").hidden = true;
      result.show(transcript);
      return { session, transcript };
    },
    stop: async ({ session, transcript }) => {
      const recording = await session.stop();
      await result.show(transcript, recording);
      announce(`Done. ${byId("summary").textContent}`);
    },
  });
}

function wireLists() {
  byId("correct").addEventListener("click", () => correctLists(byId("list").value));
  byId("list").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) correctLists(byId("list").value);
  });
}

async function describeService() {
  try {
    result.model = await service.model();
    service.modelName = result.model.id;
    byId("model").textContent = result.model.id ? `preset ${result.model.id}` : "";
  } catch (error) {
    showError(error.message);
  }
}

wireTabs(byId("tabs"), (panel) => (byId("options").hidden = panel === "panel-list"));
wireFiles();
wireRecorder();
wireLive();
wireLists();
byId("error-close").addEventListener("click", () => showError(null));
byId("cancel").addEventListener("click", () => running?.abort());
byId("set-key").addEventListener("click", async () => {
  const key = await askForKey(null);
  if (!key) return;
  service.key = key;
  await describeService();
});
describeService();
