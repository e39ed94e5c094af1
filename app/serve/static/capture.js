// Runs beside the page, in the browser's audio thread: sound as it comes -> blocks of int16, with their level.

const BLOCK_SECONDS = 0.04;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(BLOCK_SECONDS * sampleRate));
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true; // the microphone gives nothing at the moment
    for (let index = 0; index < channels[0].length; index++) {
      let sum = 0;
      for (const channel of channels) sum += channel[index];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === this.block.length) this.send();
    }
    return true;
  }

  send() {
    const sound = new Int16Array(this.block.length);
    let power = 0, peak = 0;
    for (let index = 0; index < sound.length; index++) {
      const sample = Math.max(-1, Math.min(1, this.block[index]));
      sound[index] = Math.round(sample * 32767);
      power += sample * sample;
      peak = Math.max(peak, Math.abs(sample));
    }
    this.filled = 0;
    this.port.postMessage({ sound, level: Math.sqrt(power / sound.length), peak }, [sound.buffer]);
  }
}

registerProcessor("capture", Capture);
