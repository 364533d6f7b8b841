// The inbox of the user, for a page.

import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Progress} Progress
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {(value: any, delivery?: any) => unknown} Listener
 * @typedef {{element?: Element | null, signal?: AbortSignal}} ListenerOptions
 */

/** What a listener that threw has returned. */
export const FAILED = Symbol("failed");

/**
 * Messages that wait for the user until a page acknowledges them, on whatever device. Acknowledgements are cumulative:
 * one stands for everything before it, so it goes only as far as every listener has returned.
 */
export class Inbox {
  #settings;
  #hooks;
  #epoch = "";
  #acked = -1; // as the server says; nothing so far
  #last = 0; // the latest message that `#counted` counts
  #counted;
  #seen = 0; // the latest message that there is
  #shown = 0; // the latest message that listeners got
  #wanted = 0; // up to where the page itself acknowledges
  /** @type {Set<number>} Shown, and some listener has not returned. In order. */
  #open = new Set();
  #told = -1;
  #isAsking = false;
  /** @type {any} */ #timer = 0;

  /**
   * @param {Settings} settings
   * @param {object} hooks
   * @param {(type: string, listener: Listener, options?: ListenerOptions) => () => void} hooks.on
   * @param {() => void} hooks.enter
   * @param {(unread: number) => void} hooks.changed
   * @param {(range: {limit?: number, before?: number}) => Promise<any>} hooks.history
   * @param {(at: {epoch: string, offset: number}, answered: (answer: any) => void) => void} hooks.ask
   */
  constructor(settings, hooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#counted = settings.unread;
  }

  /** How many messages the user has not acknowledged. */
  get unread() {
    return this.#counted + Math.max(0, this.#seen - this.#last);
  }

  /**
   * Listen to `message` (acknowledged a second after every listener has returned, a promise once it resolves; not if one
   * throws or rejects), `unread` (the number, when it changes), `lost` or `error`.
   * @param {"message" | "unread" | "lost" | "error"} type @param {Listener} listener @param {ListenerOptions} [options]
   * @returns {() => void} Ends it.
   */
  on(type, listener, options) {
    const end = this.#hooks.on(type, listener, options);
    this.#hooks.enter();
    return end;
  }

  /**
   * Messages from before, acknowledged or not: as `history` of a channel.
   * @param {{limit?: number, before?: number}} [range]
   * @returns {Promise<{messages: {offset: number, data: any}[], more: boolean}>}
   */
  history(range = {}) {
    return this.#hooks.history(range);
  }

  /** Acknowledge now: everything that there is, or up to this message. @param {number} [offset] */
  ack(offset = this.#seen) {
    this.#wanted = Math.max(this.#wanted, offset);
    this.#send();
  }

  /**
   * @param {string} epoch @param {number} offset
   * @param {unknown[]} results What the listeners have returned.
   */
  shown(epoch, offset, results) {
    this.#begin(epoch);
    this.#shown = offset;
    this.#seen = Math.max(this.#seen, offset);
    if (offset > this.#acked) {
      this.#open.add(offset);
      if (results.length && !results.includes(FAILED)) {
        const failed = /** @param {unknown} error */ (error) =>
          queueMicrotask(() => {
            throw error;
          });
        Promise.all(results).then(() => this.#done(epoch, offset), failed);
      }
    }
    this.#changed();
  }

  /** How far the user is, as the server says: in any order, and perhaps twice. @param {Progress} progress */
  told({ epoch, acked, last, unread }) {
    if (acked === undefined) {
      return;
    }
    this.#begin(epoch);
    if (acked > this.#acked || (acked === this.#acked && last >= this.#last)) {
      this.#acked = acked;
      this.#last = last;
      this.#counted = unread;
      this.#seen = Math.max(this.#seen, last);
      this.#open.forEach((offset) => offset > acked || this.#open.delete(offset));
      this.#changed();
    }
  }

  /** @param {string} epoch What was counted in another one counts no longer. */
  #begin(epoch) {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#acked = -1;
      this.#counted = this.#last = this.#seen = this.#shown = this.#wanted = 0;
      this.#open.clear();
    }
  }

  #changed() {
    if (this.unread !== this.#told && this.#acked >= 0) {
      this.#told = this.unread;
      this.#hooks.changed(this.#told);
    }
  }

  /** @param {string} epoch @param {number} offset */
  #done(epoch, offset) {
    if (epoch === this.#epoch) {
      this.#open.delete(offset);
      this.#plan(this.#settings.ackMs);
    }
  }

  /** Up to where everything is done. */
  get #due() {
    const [first] = this.#open;
    return Math.max(this.#wanted, first === undefined ? this.#shown : first - 1);
  }

  /** @param {number} ms */
  #plan(ms) {
    if (!this.#timer && !this.#isAsking && this.#due > this.#acked) {
      this.#timer = later(() => this.#send(), ms);
    }
  }

  #send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const offset = this.#due;
    if (this.#isAsking || offset <= this.#acked) {
      return;
    }
    this.#isAsking = true;
    this.#hooks.ask({ epoch: this.#epoch, offset }, ({ error, ...progress }) => {
      this.#isAsking = false;
      this.told(progress);
      if (!error) {
        this.#plan(this.#settings.ackMs);
      } else if (error.code === "not_subscribed") {
        this.#plan(this.#settings.gapMs); // it is being joined
      }
    });
  }
}
