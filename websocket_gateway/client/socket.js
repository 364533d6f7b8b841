// One socket.

import { Pending } from "./pending.js";
import { later, randomId } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Entry} Entry
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Since} Since
 */

const MANY = 100; // channels in one frame

/** One socket, as long as it lives. */
export class Wire {
  /**
   * @param {WebSocket} socket
   * @param {boolean} proven Whether a token was issued for it.
   * @param {Settings} settings
   * @param {(channel: string) => Since} since Where the page is in a channel.
   */
  constructor(socket, proven, settings, since) {
    this.since = since;
    this.socket = socket;
    this.proven = proven;
    this.serial = randomId();
    this.opened = false;
    /** @type {Set<string>} */
    this.joined = new Set();
    this.pending = new Pending(settings, () => this.serial, (entry) => this.dispatch(entry));
    /** @type {Entry[] | null} Joins that leave in one frame, while they are collected. */
    this.together = null;
    /** @type {Map<string, Entry[]>} What the frames are about that join channels, by their ids. */
    this.joins = new Map();
    /** @type {Set<any>} */
    this.timers = new Set();
    /** @type {any} */
    this.silence = 0;
  }

  /** @param {() => void} callback @param {number} ms */
  after(ms, callback) {
    const timer = later(callback, ms);
    this.timers.add(timer);
    return timer;
  }

  /** @param {any} timer */
  cancel(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  /** @param {Entry} entry */
  dispatch(entry) {
    if (!entry.joins || entry.single) {
      this.socket.send(entry.text);
    } else if (this.together) {
      this.together.push(entry);
    } else {
      this.joinAll([entry]);
    }
  }

  /** Join the channels that `callback` asks for, in as few frames as possible. @param {() => void} callback */
  collect(callback) {
    /** @type {Entry[]} */
    const entries = [];
    this.together = entries;
    callback();
    this.together = null;
    for (let first = 0; first < entries.length; first += MANY) {
      this.joinAll(entries.slice(first, first + MANY));
    }
  }

  /** @param {Entry[]} entries */
  joinAll(entries) {
    const id = entries.length > 1 ? randomId() : String(entries[0].id);
    entries.forEach((entry) => (entry.since = this.since(String(entry.channel))));
    this.joins.set(id, entries);
    const channels = Object.fromEntries(entries.map(({ channel, since }) => [channel, since]));
    this.control({ type: "subscribe", channels, id });
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
