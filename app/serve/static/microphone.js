// The browser's microphones: which there are, and the sound of one, at its own rate.

/** A problem with the microphone, in words for people. */
export class MicrophoneError extends Error {}

export class Microphone {
  #context; #stream; #node;

  /**
   * Ask for a microphone and start it.
   * @param {string} deviceId - of `list`; empty for the default one.
   * @param {{block: (block: {sound: Int16Array, level: number, peak: number}) => void, lost: (why: string) => void,
   *   muted: (isMuted: boolean) => void}} on
   * @returns {Promise<number>} its sample rate.
   */
  async start(deviceId, on) {
    refuseWithoutMicrophones();
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
          channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false,
        },
      });
    } catch (error) {
      throw new MicrophoneError(inWords(error));
    }
    const [track] = this.#stream.getAudioTracks();
    track.addEventListener("ended", () => { this.stop(); on.lost("The microphone was unplugged, or taken away from this page."); });
    track.addEventListener("mute", () => on.muted(true));
    track.addEventListener("unmute", () => on.muted(false));
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("/static/capture.js");
    await this.#context.resume();
    this.#node = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) => on.block(data);
    this.#context.createMediaStreamSource(this.#stream).connect(this.#node);
    return this.#context.sampleRate;
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#node) this.#node.port.onmessage = null;
    this.#context?.close();
    this.#stream = this.#context = this.#node = undefined;
  }

  /** The microphones; without permission they have no names. */
  static async list() {
    if (!navigator.mediaDevices) return [];
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default");
  }
}

/** @throws {MicrophoneError} browsers give this page no microphone at all. */
export function refuseWithoutMicrophones() {
  if (window.isSecureContext && navigator.mediaDevices) return;
  const port = location.port || 80;
  throw new MicrophoneError(
    `Browsers give no microphone to pages that come over http from another machine. Either run\n` +
    `ssh -L ${port}:127.0.0.1:${port} ${location.hostname}\n` +
    `and open http://127.0.0.1:${port}/ here, or start the server with --certificate and --key. Files work as they are.`,
  );
}

function inWords(error) {
  switch (error.name) {
    case "NotAllowedError": return "This page may not use the microphone. Allow it in the browser’s address bar, then start again.";
    case "NotFoundError": return "No microphone was found. Connect one, then start again; files work without.";
    case "OverconstrainedError": return "This microphone is gone. Choose another one.";
    case "NotReadableError": return "The microphone is there but gives no sound; another program may be using it.";
    default: return `The microphone cannot be used: ${error.message || error.name}.`;
  }
}
