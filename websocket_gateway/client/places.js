// Where a page is in the channels that have a history.

import { Cursor } from "./cursor.js";
import { FINAL } from "./errors.js";
import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Answer} Answer
 * @typedef {import("./types.d.ts").Loss} Loss
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Since} Since
 * @typedef {import("./types.d.ts").Payload} Payload
 */

/** The cursors of all channels. A channel has one until it turns out to have no history. */
export class Places {
  /** @type {Map<string, Cursor>} */
  #cursors = new Map();
  /** @type {Set<string>} Without a history, or whose history this user must not read. */
  #plain = new Set();
  /** @type {Payload} The positions of the last heartbeat. */
  #beat = {};

  /**
   * @param {Settings} settings
   * @param {object} hooks
   * @param {(channel: string, data: any, offset: number, recovered: boolean) => void} hooks.deliver
   * @param {(channel: string, loss: Loss) => (() => Promise<Since>) | undefined} hooks.lost Returns what loads the state again.
   * @param {(channel: string, error: any) => void} hooks.failed
   * @param {(ours: object, answered: (frame: any) => void) => () => void} hooks.ask
   * @param {(channel: string, answer: any) => void} hooks.told What the server says of the channel.
   * @param {(channel: string) => boolean} hooks.joins Whether the connection asks for the channel at each start.
   */
  constructor(settings, hooks) {
    this.settings = settings;
    this.hooks = hooks;
  }

  /** @param {string} channel @param {Since} [since] */
  enter(channel, since) {
    if (!this.#cursors.has(channel) && !this.#plain.has(channel)) {
      this.#make(channel, since ?? this.settings.positions[channel] ?? null);
    }
  }

  /** @param {string} channel */
  leave(channel) {
    this.#cursors.get(channel)?.closed();
    this.#cursors.delete(channel);
    this.#plain.delete(channel);
  }

  /** @param {string} channel @param {Since} since */
  #make(channel, since) {
    /** @type {Cursor} */
    const cursor = new Cursor(
      since,
      {
        deliver: (data, offset, recovered) => this.hooks.deliver(channel, data, offset, recovered),
        lost: (loss) => this.#lost(channel, cursor, loss),
        ask: (asked, answered) => this.#ask(channel, cursor, asked, answered),
      },
      this.settings.gapMs,
    );
    this.#cursors.set(channel, cursor);
    return cursor;
  }

  /** @param {string} channel @returns {Since} */
  since(channel) {
    return this.#cursors.get(channel)?.since ?? null;
  }

  /** @param {string} channel */
  position(channel) {
    return this.#cursors.get(channel)?.position ?? null;
  }

  /** A connection is there. What it does not join by itself, the primary channel, is asked for here. */
  opened() {
    const { channel } = this.settings;
    channel && this.settings.positions[channel] && this.enter(channel);
    this.#cursors.forEach((cursor, name) => (this.hooks.joins(name) ? cursor.opened() : cursor.recover()));
  }

  closed() {
    this.#cursors.forEach((cursor) => cursor.closed());
  }

  /** @param {string} channel It is joined. Without an answer of its own, as another tab had joined it, that is asked for. */
  joined(channel) {
    const cursor = this.#cursors.get(channel);
    cursor && ["idle", "joining"].includes(cursor.state) && cursor.recover();
  }

  /** @param {string} channel @param {Answer} answer @param {Since} [asked] */
  answered(channel, answer, asked) {
    this.hooks.told(channel, answer);
    const cursor = this.#cursors.get(channel);
    if (cursor && answer.epoch === undefined) {
      this.leave(channel);
      this.#plain.add(channel);
    } else {
      cursor?.answered(answer, asked);
    }
  }

  /** @param {any} frame @returns {boolean} Whether it is shown in its turn, not now. */
  pushed(frame) {
    const { channel, epoch, offset, wait } = frame?._ws ?? {};
    if (offset === undefined || this.#plain.has(channel)) {
      return false;
    }
    let cursor = this.#cursors.get(channel);
    if (!cursor) {
      cursor = this.#make(channel, null); // the primary channel, whose name the page need not know
      cursor.state = "live";
    }
    cursor.pushed({ epoch, offset, wait }, frame);
    return true;
  }

  /** @param {string} id @returns {object | null} What finds a message that was lost in a quiet channel. */
  heartbeat(id) {
    const live = [...this.#cursors].filter(([, { state, position }]) => state === "live" && position).slice(0, 100);
    this.#beat = Object.fromEntries(live.map(([channel, { since }]) => [channel, since]));
    return live.length ? { type: "recover", id, channels: this.#beat } : null;
  }

  /** @param {Payload} channels The answer to a heartbeat. */
  beaten(channels = {}) {
    for (const [channel, { error, ...answer }] of Object.entries(channels)) {
      error || this.answered(channel, answer, this.#beat[channel]);
    }
  }

  /** @param {string} channel @param {Cursor} cursor @param {Since} asked @param {(answer: Answer) => void} answered */
  #ask(channel, cursor, asked, answered) {
    return this.hooks.ask({ type: "recover", channels: { [channel]: asked } }, ({ _ws: ours }) => {
      const { error = ours.error, ...answer } = ours.channels?.[channel] ?? {};
      if (!error) {
        this.hooks.told(channel, answer);
        answered(answer);
      } else if (error.code === "not_subscribed") {
        cursor.opened(); // it is being joined, or was left
      } else if ([...FINAL, "history_off"].includes(error.code)) {
        this.leave(channel);
        this.#plain.add(channel);
        error.code === "history_off" || this.hooks.failed(channel, error);
      } else {
        cursor.timer = later(() => cursor.recover(), this.settings.backoffMaxMs * (0.5 + Math.random()));
      }
    });
  }

  /** @param {string} channel @param {Cursor} cursor @param {Loss} loss @returns {boolean} Whether the state is loaded again. */
  #lost(channel, cursor, loss) {
    const load = this.hooks.lost(channel, loss);
    load && this.load(channel, cursor, load);
    return Boolean(load);
  }

  /** @param {string} channel @param {Cursor} cursor @param {() => Promise<Since>} load */
  async load(channel, cursor, load) {
    cursor.stop("joining");
    try {
      cursor.since = await load();
      cursor.state === "joining" && cursor.recover();
    } catch (error) {
      this.hooks.failed(channel, error);
      cursor.timer = later(() => this.load(channel, cursor, load), this.settings.backoffMaxMs * Math.random());
    }
  }
}
