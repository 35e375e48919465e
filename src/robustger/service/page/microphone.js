// Records from the microphone.

// What browsers do for the ears of people in calls takes away sounds that a recognizer needs.
const AS_HEARD = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** A running recording. `onSamples(block)` gets blocks of samples at `sampleRate` as they come. */
export class Microphone {
  #stream;
  #context;
  #node;

  /** Asks the reader for the microphone and starts. Throws an Error that says why it cannot. */
  static async open(onSamples) {
    if (!navigator.mediaDevices || !globalThis.AudioWorkletNode) {
      throw new Error("Browsers give the microphone only to pages from https:// addresses or from localhost.");
    }
    const microphone = new Microphone();
    try {
      microphone.#stream = await navigator.mediaDevices.getUserMedia({ audio: AS_HEARD });
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      throw new Error(refused ? "The browser did not allow the microphone." : "There is no microphone.", { cause: error });
    }
    const context = new AudioContext();
    microphone.#context = context;
    await context.audioWorklet.addModule(new URL("microphone_worklet.js", import.meta.url));
    microphone.#node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    microphone.#node.port.onmessage = ({ data }) => (data ? onSamples(data) : microphone.onEnd?.());
    context.createMediaStreamSource(microphone.#stream).connect(microphone.#node);
    await context.resume();
    return microphone;
  }

  get sampleRate() {
    return this.#context.sampleRate;
  }

  /** Stops when the last samples have come. */
  async close() {
    await new Promise((resolve) => {
      this.onEnd = resolve;
      this.#node.port.postMessage("end");
      setTimeout(resolve, 500); // a sleeping audio thread sends nothing
    });
    this.#stream.getTracks().forEach((track) => track.stop());
    await this.#context.close();
  }
}
