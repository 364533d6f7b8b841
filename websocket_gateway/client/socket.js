// One socket.

import { Pending } from "./pending.js";
import { later, randomId } from "./tools.js";

/**
 * @typedef {import("../static/websocket_gateway/types.d.ts").Settings} Settings
 */

/** One socket, as long as it lives. */
export class Wire {
  /**
   * @param {WebSocket} socket
   * @param {boolean} proven Whether a token was issued for it.
   * @param {Settings} settings
   */
  constructor(socket, proven, settings) {
    this.socket = socket;
    this.proven = proven;
    this.serial = randomId();
    this.opened = false;
    /** @type {Set<string>} */
    this.joined = new Set();
    this.pending = new Pending(settings, () => this.serial, (text) => socket.send(text));
    /** @type {Set<any>} */
    this.timers = new Set();
    /** @type {any} */
    this.silence = 0;
  }

  /** @param {() => void} deed @param {number} ms */
  after(ms, deed) {
    const timer = later(deed, ms);
    this.timers.add(timer);
    return timer;
  }

  /** @param {any} timer */
  cancel(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  /** @param {string} channel What is under way about it. */
  asked(channel) {
    return this.pending.entries.find((entry) => entry.channel === channel);
  }

  isLeaving() {
    return this.pending.entries.some(({ joins }) => joins === false);
  }

  /** @param {object} ours */
  control(ours) {
    this.socket.send(JSON.stringify({ _ws: ours }));
  }

  drop() {
    this.timers.forEach((timer) => clearTimeout(timer));
    this.pending.entries.forEach((entry) => this.pending.remove(entry));
    const { socket } = this;
    // A dead peer never answers the close, so nothing waits for it.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
