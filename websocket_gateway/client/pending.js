// Questions that wait for their answer.

import { GatewayError } from "./errors.js";
import { isGatewayError, later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Entry} Entry
 * @typedef {import("./types.d.ts").Settings} Settings
 */

/**
 * What was asked and has no answer yet, be it requests or channels: sent again after a pause where the server
 * could not take it or API Gateway reports a failure, after `resendMs` of silence, and after a cut.
 */
export class Pending {
  /** @param {Settings} settings @param {() => string} wire Empty for none. @param {(entry: Entry) => void} send */
  constructor(settings, wire, send) {
    this.settings = settings;
    this.wire = wire;
    this.send = send;
    /** @type {Entry[]} */
    this.entries = [];
  }

  /** @param {Entry} entry */
  add(entry) {
    this.entries.push(entry);
    this.flush();
  }

  /** @param {Entry} entry */
  remove(entry) {
    clearTimeout(entry.timer);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  /** Send what waits, in order. */
  flush() {
    const wire = this.wire();
    for (const entry of wire ? this.entries : []) {
      if (!entry.sentOn) {
        entry.sentOn = wire;
        entry.paused = entry.freed = false;
        clearTimeout(entry.timer);
        entry.timer = entry.id && later(() => this.again([entry]), this.settings.resendMs);
        this.send(entry);
      }
    }
    this.entries = this.entries.filter(({ id, sentOn }) => id || !sentOn);
  }

  /** @param {Entry[]} entries */
  again(entries) {
    for (const entry of entries) {
      entry.sentOn = "";
      if (entry.isOver?.()) {
        // It may have been done all the same, and is undone.
        this.remove(entry);
        entry.resolve(null);
      }
    }
    this.flush();
  }

  /** @param {Entry[]} entries Those of them that are on their way are sent again after a pause. */
  againSoon(entries) {
    const { backoffMs, backoffMaxMs } = this.settings;
    for (const entry of entries.filter(({ sentOn, paused }) => sentOn && !paused)) {
      const failures = entry.failures ?? 0;
      entry.failures = failures + 1;
      entry.paused = true;
      clearTimeout(entry.timer);
      const pause = Math.random() * Math.min(backoffMaxMs, backoffMs * 2 ** failures);
      entry.timer = later(() => this.again([entry]), pause);
    }
  }

  /** @param {any} frame @returns {boolean} Whether it answers one of these. */
  heard(frame) {
    const { reply_to: id, error } = frame?._ws ?? {};
    const entry = this.entries.find((other) => id !== undefined && other.id === id);
    if (entry && !error) {
      this.remove(entry);
      entry.resolve(frame);
    } else if (entry?.isFinal(error.code)) {
      this.remove(entry);
      entry.reject(new GatewayError(error.code, error.message, { _ws: frame._ws }));
    } else if (entry) {
      this.againSoon([entry]);
    } else if (id === undefined && (error || isGatewayError(frame))) {
      // It does not say what failed, so that may be each one.
      this.againSoon(this.entries.filter(({ isFinal }) => !error || !isFinal(error.code)));
    }
    return Boolean(entry);
  }
}
