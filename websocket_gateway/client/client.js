// What a page talks to.

import { Channel } from "./channel.js";
import { Link } from "./connection.js";
import { GatewayError } from "./errors.js";
import { FAILED, Inbox } from "./inbox.js";
import { DEFAULTS, likeUnknown } from "./options.js";
import { Pending } from "./pending.js";
import { Places } from "./places.js";
import { Presence } from "./presence.js";
import { SharedLink } from "./sharing.js";
import { isGatewayError, later, randomId } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").ChannelOptions} ChannelOptions
 * @typedef {import("./types.d.ts").Entry} Entry
 * @typedef {import("./types.d.ts").Joined} Joined
 * @typedef {import("./types.d.ts").Options} Options
 * @typedef {import("./types.d.ts").Payload} Payload
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Since} Since
 * @typedef {import("./types.d.ts").Status} Status
 */

// What the server could not take now. Whatever else it says is its answer.
const AGAIN = ["busy", "internal_error", "rate_limited", "not_connected"];

/**
 * @typedef {{settings: Settings, owner: Element | null, ended: boolean, leave: () => void}} Inside
 * @type {WeakMap<GatewayClient, Inside>} For `PageClient`; `owner` is the element that new listeners belong to.
 */
export const INSIDES = new WeakMap();

/** What a page talks to. Made by `connect()` or `fromPage()`. */
export class GatewayClient {
  /** @type {Settings} */ #settings;
  /** @type {Link | SharedLink} */ #link;
  /** @type {Status} */ #status = { state: "connecting", reason: "", live: [] };
  /** @type {Map<string, Map<(value: any, more?: any) => void, () => boolean>>} Each with whether it still counts. */
  #listeners = new Map();
  /** @type {Inside} */ #inside;
  #events = new AbortController();
  /** @type {Pending} */ #pending;
  /** @type {Set<string>} */ #channels = new Set();
  /** @type {Map<string, {promise: Promise<void>, resolve: () => void, reject: (error: GatewayError) => void}>} */
  #joining = new Map();
  /** @type {Map<string, Channel>} */
  #handles = new Map();
  /** @type {Set<string>} The channels that are joined on this connection. */
  #in = new Set();
  /** @type {Map<string, () => Promise<Since>>} */
  #loads = new Map();
  /** @type {Places} */ #places;
  /** The inbox of the user, for a server that has one. @type {Inbox} */
  inbox;
  /** @type {"" | "wanted" | "entered"} */
  #inboxState = "";
  #client = randomId();
  #beat = `beat.${this.#client}`;
  #count = 0;

  /** @param {Options} options */
  constructor(options) {
    const nearest = likeUnknown(options);
    if (nearest) {
      throw new GatewayError("unknown_option", nearest);
    }
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#settings = { ...DEFAULTS, .../** @type {Options} */ (Object.fromEntries(given)) };
    const { url, share, signal } = this.#settings;
    if (!url) {
      console.warn("websocket_gateway: the page has no address to connect to; the server's log says why.");
    }
    const wire = () => (this.state === "open" ? (this.#status.live[0] ?? "") : "");
    this.#pending = new Pending(this.#settings, wire, ({ text }) => this.#link.send(text));
    this.#places = new Places(this.#settings, {
      deliver: (channel, data, offset, recovered) => this.#deliver(channel, data, offset, recovered),
      lost: (channel, loss) => {
        this.#emit(`lost ${channel}`, loss);
        channel === this.#settings.inbox && this.#emit("inbox lost", loss);
        return this.#loads.get(channel);
      },
      failed: (channel, { code = "load_failed", message }) =>
        this.#emit(`error ${channel}`, new GatewayError(code, message, { channel })),
      ask: (ours, resolve) => this.#ask(ours, { resolve, reject: (error) => resolve({ _ws: { error } }) }),
      joins: (channel) => this.#channels.has(channel),
      told: (channel, answer) => channel === this.#settings.inbox && this.inbox.told(answer),
    });
    this.inbox = new Inbox(this.#settings, {
      on: (type, listener, options) => this.on(`inbox ${type}`, listener, options),
      enter: () => this.#enterInbox(),
      changed: (unread) => this.#emit("inbox unread", unread),
      history: (range) => this.#history(this.#settings.inbox, range),
      ask: (at, answered) => this.#ackInbox(at, answered),
    });
    const { user, followLogin } = this.#settings;
    // A page that changes its user would change the one of the others, too.
    const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel && (user || !followLogin);
    this.#link = new (share && canShare ? SharedLink : Link)(this.#settings, {
      status: (status) => this.#changed(status),
      frame: (value) => this.#received(value),
      joined: (joined) => this.#joined(joined),
      answer: (channel, answer, since) => this.#places.answered(channel, answer, since),
      since: (channel) => this.#places.since(channel),
      heartbeat: () => this.#places.heartbeat(this.#beat),
    });
    const leave = () => this.#inside.ended || this.#link.stop("removed");
    this.#inside = { settings: this.#settings, owner: null, ended: false, leave };
    INSIDES.set(this, this.#inside);
    const during = { signal: this.#events.signal };
    const { document } = globalThis;
    const shown = () => document.visibilityState === "visible" && this.#link.awake(false);
    document?.addEventListener("visibilitychange", shown, during);
    const listen = /** @param {string} type @param {(event: any) => void} listener */ (type, listener) =>
      globalThis.addEventListener?.(type, listener, during);
    listen("online", () => this.#link.awake(true));
    listen("offline", () => this.#link.offline());
    // Browsers may keep a page that is left, and show it again, but not its connection.
    listen("pagehide", () => this.state === "closed" || this.#link.stop("away", "reconnecting"));
    listen("pageshow", (event) => event.persisted && this.#link.awake(false));
    if (signal?.aborted) {
      this.close("aborted");
    } else {
      signal?.addEventListener("abort", () => this.close("aborted"), { once: true });
      this.#link.open();
    }
  }

  /** Now. */
  get state() {
    return this.#status.state;
  }

  /** Why it is `reconnecting` or `closed`: see management_docs/browser_client.md. */
  get reason() {
    return this.#status.reason;
  }

  /** Try again after the client gave up; nothing happens while it is at work. */
  connect() {
    if (this.state === "closed" && !this.#inside.ended) {
      this.#link.open();
    }
  }

  /**
   * Send and forget. Waits in the queue while the page is not connected. A cut can lose it.
   * Throws `too_large`, `queue_full` or `closed`.
   * @param {string} handler @param {Payload} [data]
   */
  send(handler, data = {}) {
    const text = this.#encode(handler, data);
    const reject = /** @param {GatewayError} error */ (error) => this.#emit("$error", error);
    this.#post({ text, id: null, isFinal: () => true, resolve() {}, reject });
  }

  /**
   * Send and wait for the answer: the handler's dict, or `null` for one that was handled before. Sent again
   * after every cut until the answer comes. Rejects with a `GatewayError`.
   * @template [T=any] What the handler returns.
   * @param {string} handler @param {Payload} [data]
   * @param {{timeout?: number, signal?: AbortSignal}} [options] `timeout` in milliseconds, `Infinity` for none.
   * @returns {Promise<T>}
   */
  request(handler, data = {}, { timeout = this.#settings.requestMs, signal } = {}) {
    const id = `${this.#client}.${(this.#count += 1)}`;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const settle = () => {
        clearTimeout(timer);
        this.#pending.remove(entry);
        signal?.removeEventListener("abort", aborted);
      };
      /** @type {Entry} */
      const entry = {
        text: this.#encode(handler, data, { id, client: this.#client }),
        id,
        // What was not handled is sent again; whether the rest may be is for the page to say.
        isFinal: (code) => code !== "busy" && code !== "not_connected",
        resolve: ({ _ws: ours, ...reply }) => (settle(), resolve(ours.duplicate ? null : reply)),
        reject: (error) => (settle(), reject(error)),
      };
      const aborted = () => (settle(), reject(signal?.reason));
      const late = () => entry.reject(new GatewayError("timeout", `No answer within ${timeout} ms.`));
      const timer = timeout === Infinity ? undefined : later(late, timeout);
      signal?.addEventListener("abort", aborted);
      try {
        this.#post(entry);
      } catch (error) {
        entry.reject(/** @type {GatewayError} */ (error));
      }
    });
  }

  /**
   * Join a further channel, now and after every reconnect; it is asked for until the server joins or refuses it.
   * Rejects if the server refuses it. A later refusal is also reported by `$error`.
   * @param {string} channel
   * @returns {Promise<void>}
   */
  subscribe(channel) {
    if (!channel || typeof channel !== "string") {
      throw new TypeError(`subscribe() takes the name of a channel, not ${JSON.stringify(channel)}.`);
    }
    this.#refuseIfClosed();
    let waiting = this.#joining.get(channel);
    if (!waiting) {
      let resolve = () => {};
      let reject = /** @param {GatewayError} _ */ (_) => {};
      /** @type {Promise<void>} */
      const promise = new Promise((yes, no) => {
        resolve = () => yes();
        reject = no;
      });
      promise.catch(() => {}); // who does not wait hears of it by $error
      waiting = { promise, resolve, reject };
      this.#joining.set(channel, waiting);
    }
    this.#channels.add(channel);
    this.#places.enter(channel);
    this.#want();
    return waiting.promise;
  }

  /** @param {string} channel Does nothing for a channel that was not joined. */
  unsubscribe(channel) {
    this.#channels.delete(channel);
    this.#joining.get(channel)?.reject(new GatewayError("unsubscribed", "It was left before it was joined."));
    this.#joining.delete(channel);
    this.#handles.get(channel)?.presence.stop();
    this.#handles.delete(channel);
    this.#in.delete(channel);
    this.#loads.delete(channel);
    this.#places.leave(channel);
    this.#want();
  }

  #want() {
    this.#link.want(this.#client, new Map([...this.#channels].map((channel) => [channel, this.#places.since(channel)])));
  }

  /**
   * Join a channel, as `subscribe` does, and listen to it alone. With a history, its messages come once and in order
   * over every cut. Called again, it gives the same object.
   * @param {string} name @param {ChannelOptions} [options]
   */
  channel(name, { since, load } = {}) {
    const before = this.#handles.get(name);
    if (before) {
      return before;
    }
    const handle = new Channel(name, {
      on: (type, listener, options) => this.on(`${type} ${name}`, listener, options),
      history: (range) => this.#history(name, range),
      position: () => this.#places.position(name),
      leave: () => this.unsubscribe(name),
      presence: this.#presence(name),
    });
    this.#handles.set(name, handle);
    const join = /** @param {Since} [begin] */ (begin) => {
      this.#places.enter(name, begin);
      // The page knows what it has left itself, and may have joined it again by now.
      this.subscribe(name).catch((error) => error.code === "unsubscribed" || this.#emit(`error ${name}`, error));
    };
    if (load) {
      this.#loads.set(name, async () => {
        const found = await load();
        return "position" in found ? found.position : found;
      });
      this.#load(name, join);
    } else {
      join(since);
    }
    return handle;
  }

  /** Join the inbox, once its name is known: from the page, or with the first token. */
  #enterInbox() {
    const { inbox } = this.#settings;
    if (inbox && this.#inboxState !== "entered") {
      this.#inboxState = "entered";
      this.#places.enter(inbox, { acked: true });
      this.subscribe(inbox).catch((error) => ((this.#inboxState = ""), this.#emit("inbox error", error)));
    } else if (!inbox) {
      this.#inboxState = "wanted";
      this.state === "open" && this.#emit("inbox error", new GatewayError("no_inbox", "The server gives this user no inbox."));
    }
  }

  /** @param {Position} at @param {(answer: any) => void} answered */
  #ackInbox(at, answered) {
    const { inbox } = this.#settings;
    this.#ask(
      { type: "ack", channels: { [inbox]: at } },
      { resolve: ({ _ws: ours }) => answered(ours.channels?.[inbox] ?? {}), reject: (error) => answered({ error }) },
    );
  }

  /** @param {string} name */
  #presence(name) {
    const { [name]: rendered, ...members } = this.#settings.members;
    this.#settings.members = members; // old by the time that the channel is joined again
    return new Presence(this.#settings, rendered, {
      on: (type, listener, options) => this.on(`presence ${type} ${name}`, listener, options),
      changed: ({ members, count }) => this.#emit(`presence change ${name}`, { members, count }),
      failed: (error) => this.#emit(`error ${name}`, error),
      ask: (after, resolve, reject) =>
        this.#ask({ type: "presence", channel: name, after }, { resolve: ({ _ws: page }) => resolve(page), reject }),
      isIn: () => this.#in.has(name),
    });
  }

  /** @param {string} name @param {(begin: Since) => void} join */
  async #load(name, join) {
    try {
      const position = await this.#loads.get(name)?.();
      this.#loads.has(name) && join(position ?? null);
    } catch (error) {
      this.#emit(`error ${name}`, new GatewayError("load_failed", String(error), { channel: name }));
      later(() => this.#loads.has(name) && this.#load(name, join), this.#settings.backoffMaxMs * Math.random());
    }
  }

  /** @param {string} channel @param {{limit?: number, before?: number}} range @returns {Promise<any>} */
  #history(channel, range) {
    return new Promise((resolve, reject) => {
      this.#refuseIfClosed();
      const take = this.#ask(
        { type: "history", channel, ...range },
        {
          resolve: ({ _ws: { messages, more } }) => (clearTimeout(timer), resolve({ messages, more })),
          reject: (error) => (clearTimeout(timer), reject(error)),
        },
      );
      const { requestMs } = this.#settings;
      const late = () => (take(), reject(new GatewayError("timeout", `No answer within ${requestMs} ms.`)));
      const timer = later(late, requestMs);
    });
  }

  /**
   * Send a control frame until it is answered.
   * @param {object} ours @param {Pick<Entry, "resolve" | "reject">} settled @returns {() => void} Takes it back.
   */
  #ask(ours, settled) {
    const id = `${this.#client}.${(this.#count += 1)}`;
    const text = JSON.stringify({ _ws: { ...ours, id } });
    /** @type {Entry} */
    const entry = { text, id, isFinal: (code) => !AGAIN.includes(code), ...settled };
    this.#pending.add(entry);
    return () => this.#pending.remove(entry);
  }

  /**
   * Listen to `$message` (every frame), `$state`, `$error`, or to frames with this `type`.
   * @template [T=any] The frame.
   * @param {string} type @param {(value: T, more?: any) => void} listener
   * @param {{element?: Element | null, signal?: AbortSignal}} [options] Ends when the element has left the document.
   * @returns {() => void} Ends it.
   */
  on(type, listener, { element, signal } = {}) {
    const listeners = this.#listeners.get(type) ?? new Map();
    const inside = this.#inside;
    const { owner } = inside;
    // When scripts run again for the next page, what those of this one listen to is over.
    const counts = () => !signal?.aborted && (element ? element.isConnected : !owner || owner === inside.owner);
    this.#listeners.set(type, listeners.set(listener, counts));
    return () => void listeners.delete(listener);
  }

  /** Every frame, until the client is closed: `for await (const frame of client)`. */
  async *[Symbol.asyncIterator]() {
    /** @type {any[]} */
    const frames = [];
    let wake = () => {};
    const ends = [
      this.on("$message", (frame) => (frames.push(frame), wake())),
      this.on("$state", () => wake()),
    ];
    try {
      while (frames.length || !this.#inside.ended) {
        if (frames.length) {
          yield frames.shift();
        } else {
          /** @type {Promise<void>} */
          const waiting = new Promise((resolve) => (wake = () => resolve()));
          await waiting;
        }
      }
    } finally {
      ends.forEach((end) => end());
    }
  }

  /** For good. What waits is rejected. */
  close(reason = "closed by the page") {
    if (!this.#inside.ended) {
      this.#inside.ended = true;
      this.#events.abort();
      this.#link.stop(reason);
      this.#link.mute();
    }
  }

  /** @param {string} handler @param {Payload} data @param {object} [ours] */
  #encode(handler, data, ours) {
    if (Object.hasOwn(data, "_ws")) {
      throw new GatewayError("reserved_key", "The key _ws of a message is reserved; use another name.");
    }
    const { handlerKey, maxFrameBytes } = this.#settings;
    const text = JSON.stringify({ ...data, [handlerKey]: handler, ...(ours && { _ws: ours }) });
    const size = new TextEncoder().encode(text).length;
    if (size > maxFrameBytes) {
      throw new GatewayError("too_large", `The frame has ${size} bytes; API Gateway takes ${maxFrameBytes}.`);
    }
    return text;
  }

  #refuseIfClosed() {
    if (this.state === "closed") {
      throw new GatewayError("closed", `The connection is closed: ${this.reason}.`);
    }
  }

  /** @param {Entry} entry */
  #post(entry) {
    this.#refuseIfClosed();
    const waiting = this.#pending.entries.filter(({ sentOn }) => !sentOn);
    const { queueLimit, overflow } = this.#settings;
    if (waiting.length >= queueLimit) {
      const error = new GatewayError("queue_full", `${queueLimit} messages are waiting.`, entry.text);
      const oldest = waiting[0];
      if (overflow === "reject" || !oldest) {
        throw error;
      }
      this.#pending.remove(oldest);
      oldest.reject(new GatewayError("dropped", "Newer messages took its place.", oldest.text));
    }
    this.#pending.add(entry);
  }

  /** @param {Status} status */
  #changed(status) {
    const before = this.#status;
    this.#status = status;
    if (status.state === "closed") {
      const error = new GatewayError("closed", `The connection is closed: ${status.reason}.`);
      [...this.#pending.entries, ...this.#joining.values()].forEach(({ reject }) => reject(error));
      this.#pending.entries = [];
      this.#joining.clear();
    }
    if (status.inbox) {
      this.#settings.inbox = status.inbox;
    }
    this.#inboxState === "wanted" && status.state === "open" && this.#enterInbox();
    this.#pending.again(this.#pending.entries.filter(({ sentOn = "" }) => !status.live.includes(sentOn)));
    if (status.state !== "open") {
      this.#places.closed();
      this.#in.clear();
      this.#handles.forEach(({ presence }) => presence.stop());
    } else if (before.state !== "open") {
      this.#places.opened();
    }
    if (before.state !== status.state || before.reason !== status.reason) {
      this.#emit("$state", { state: status.state, reason: status.reason });
    }
  }

  /** @param {Joined} joined */
  #joined({ channel, error }) {
    const waiting = this.#joining.get(channel);
    this.#joining.delete(channel);
    if (!error) {
      this.#in.add(channel);
      this.#places.joined(channel);
      this.#handles.get(channel)?.presence.refresh();
      waiting?.resolve();
    } else if (this.#channels.delete(channel)) {
      // Else it is another tab's, with which this one shares the connection.
      const refusal = new GatewayError(error.code, error.message, { channel });
      waiting?.reject(refusal);
      this.#emit("$error", refusal);
      this.#places.leave(channel);
      this.#handles.get(channel)?.presence.stop();
      this.#handles.delete(channel);
    }
  }

  /** @param {string} channel @param {any} data @param {number} offset @param {boolean} recovered */
  #deliver(channel, data, offset, recovered) {
    const { epoch } = /** @type {Position} */ (this.#places.since(channel));
    this.#show(recovered ? { ...data, _ws: { channel, epoch, offset } } : data, recovered);
  }

  /** @param {any} value @param {boolean} [recovered] */
  #show(value, recovered = false) {
    const { channel, offset } = value?._ws ?? {};
    this.#emit("$message", value);
    if (typeof value?.type === "string" && !value.type.startsWith("$")) {
      this.#emit(value.type, value);
    }
    if (channel) {
      this.#emit(`message ${channel}`, value, { offset, recovered });
    }
    if (offset && channel === this.#settings.inbox) {
      this.inbox.shown(value._ws.epoch, offset, this.#emit("inbox message", value, { offset, recovered }));
    }
  }

  /** @param {any} value */
  #received(value) {
    const ours = value?._ws;
    if (ours?.type === "acked") {
      // Also the answer to another tab with which this one shares the connection.
      this.inbox.told(ours.channels?.[this.#settings.inbox] ?? {});
    }
    if (ours?.reply_to === this.#beat) {
      this.#places.beaten(ours.channels);
      return;
    }
    if (this.#pending.heard(value) || ours?.reply_to !== undefined) {
      return;
    }
    if (ours?.type === "presence") {
      this.#handles.get(ours.channel)?.presence.pushed(ours);
    } else if (ours?.error) {
      this.#emit("$error", new GatewayError(ours.error.code, ours.error.message, value));
    } else if (isGatewayError(value)) {
      this.#emit("$error", new GatewayError("gateway", value.message, value));
    } else if (ours?.type !== "acked" && !this.#places.pushed(value)) {
      this.#show(value);
    }
  }

  /** @param {string} type @param {any} value @param {object} [more] @returns {unknown[]} What the listeners return. */
  #emit(type, value, more) {
    const listeners = this.#listeners.get(type) ?? new Map();
    listeners.forEach((counts, listener) => counts() || listeners.delete(listener));
    return [...listeners.keys()].map((listener) => {
      try {
        return listener(value, more);
      } catch (error) {
        // One listener's mistake must not cost the others the frame, nor the socket.
        queueMicrotask(() => {
          throw error;
        });
        return FAILED;
      }
    });
  }
}

/**
 * Open a connection.
 * @param {Options} options
 */
export function connect(options) {
  return new GatewayClient(options);
}
