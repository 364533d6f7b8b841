// A browser without a browser: a clock that only moves when told, sockets and token views that are scripted.

import { webcrypto } from "node:crypto";
import { setMaxListeners } from "node:events";

globalThis.crypto ??= webcrypto; // no global before Node 20

/** Timers, in the order in which they are due; a heap, because a herd of clients has many. */
class Clock {
  now = 0;
  #deeds = new Map();
  #heap = [];
  #count = 0;

  set(deed, ms = 0) {
    this.#count += 1;
    const wait = ms > 2 ** 31 - 1 ? 1 : Math.max(0, ms); // as browsers do
    this.#deeds.set(this.#count, deed);
    this.#push({ id: this.#count, due: this.now + wait });
    return this.#count;
  }

  clear(id) {
    this.#deeds.delete(id);
  }

  /** Moves on, and lets everything happen that is due on the way. */
  async advance(ms) {
    const until = this.now + ms;
    await settle();
    while (this.#heap.length && this.#heap[0].due <= until) {
      const { id, due } = this.#pop();
      const deed = this.#deeds.get(id);
      if (deed) {
        this.#deeds.delete(id);
        this.now = due;
        deed();
        await settle();
      }
    }
    this.now = until;
  }

  /** Of timers that are due together the one that was set first comes first. */
  #isBefore(one, other) {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    return a.due < b.due || (a.due === b.due && a.id < b.id);
  }

  #swap(one, other) {
    [this.#heap[one], this.#heap[other]] = [this.#heap[other], this.#heap[one]];
  }

  #push(timer) {
    let at = this.#heap.push(timer) - 1;
    for (let above = (at - 1) >> 1; at > 0 && this.#isBefore(at, above); above = (at - 1) >> 1) {
      this.#swap(at, above);
      at = above;
    }
  }

  #pop() {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (this.#heap.length) {
      this.#heap[0] = last;
      for (let at = 0; ; ) {
        const below = [2 * at + 1, 2 * at + 2].filter((place) => place < this.#heap.length);
        const next = below.length === 2 && this.#isBefore(below[1], below[0]) ? below[1] : below[0];
        if (next === undefined || !this.#isBefore(next, at)) {
          break;
        }
        this.#swap(at, next);
        at = next;
      }
    }
    return first;
  }
}

const { setImmediate: realImmediate } = globalThis;

/** Lets promises run. */
export function settle() {
  return new Promise((resolve) => realImmediate(resolve));
}

/** The channel of a frame that is about one. */
export function channelOf({ _ws: { channel, channels = {} } = {} }) {
  return channel ?? Object.keys(channels)[0];
}

const BEGIN = Date.UTC(2030, 0, 1);

/** The same numbers on every run. */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

class FakeSocket {
  sent = [];
  closed = false;

  constructor(url, protocols) {
    this.url = new URL(url);
    this.protocols = protocols;
    this.world = FakeSocket.world;
    this.world.sockets.push(this);
    queueMicrotask(() => this.world.onSocket(this));
  }

  accept() {
    if (!this.closed) {
      this.isOpen = true;
      this.onopen?.();
    }
  }

  /** What API Gateway says where Django failed: not which frame it is about. */
  fail() {
    this.deliver({ message: "Internal server error", connectionId: "abc=", requestId: "def=" });
  }

  /** What the server does when it closes or refuses. */
  cut() {
    this.closed = true;
    this.onclose?.();
  }

  close() {
    this.closed = true;
  }

  send(text) {
    if (this.closed) {
      return;
    }
    const frame = JSON.parse(text);
    this.sent.push(frame);
    this.world.onFrame(this, frame);
  }

  deliver(value) {
    this.onmessage?.({ data: typeof value === "string" ? value : JSON.stringify(value) });
  }

  /** The frames of the application. */
  get said() {
    return this.sent.filter((frame) => frame.handler);
  }

  /** An error of Django's that answers this frame. */
  refuse({ _ws: { id } }, code) {
    this.deliver({ _ws: { reply_to: id, error: { code, message: "No." } } });
  }

  /** The control frames of one type; one that joins several channels counts as one for each of them. */
  controls(type) {
    const frames = this.sent.filter((frame) => frame._ws?.type === type).map((frame) => frame._ws);
    return frames.flatMap(({ channels, ...ours }) =>
      channels ? Object.entries(channels).map(([channel, since]) => ({ ...ours, channel, since })) : [ours],
    );
  }
}

/** Everything that the client meets; put it in place before making one. */
export class World {
  constructor() {
    Bus.all.clear();
  }

  clock = new Clock();
  sockets = [];
  tokens = 0;
  requests = [];
  online = true;
  random = 0.5;
  cookie = "csrftoken=from-the-cookie";

  /** By default every socket opens, and control frames are answered. */
  onSocket = (socket) => socket.accept();
  onFrame = (socket, { _ws: ours }) => {
    if (ours?.type === "ping") {
      socket.deliver({ _ws: { type: "pong" } });
    } else if (ours?.type === "subscribe" && ours.channels) {
      const channels = Object.fromEntries(Object.keys(ours.channels).map((name) => [name, {}]));
      queueMicrotask(() => socket.deliver({ _ws: { type: "subscribed", channels, reply_to: ours.id } }));
    } else if (ours?.type === "subscribe" || ours?.type === "unsubscribe") {
      const answer = { type: `${ours.type}d`, channel: ours.channel, reply_to: ours.id };
      queueMicrotask(() => socket.deliver({ _ws: answer }));
    }
  };
  onToken = () => ({ status: 200, body: { token: `token-${(this.tokens += 1)}` } });

  install() {
    FakeSocket.world = this;
    const listeners = new EventTarget();
    const page = new EventTarget();
    setMaxListeners(0, listeners, page);
    Object.defineProperty(page, "cookie", { get: () => this.cookie });
    page.querySelector = () => ({ value: "from-the-page" });
    page.visibilityState = "visible";
    const world = {
      WebSocket: FakeSocket,
      setTimeout: (deed, ms) => this.clock.set(deed, ms),
      clearTimeout: (id) => this.clock.clear(id),
      fetch: (url, options) => this.#fetch(url, options),
      addEventListener: listeners.addEventListener.bind(listeners),
      document: page,
      BroadcastChannel: Bus,
    };
    for (const [name, value] of Object.entries(world)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    Object.defineProperty(globalThis, "navigator", {
      value: { ...(this.locks && { locks: this.locks }), get onLine() { return FakeSocket.world.online; } },
      configurable: true,
    });
    Date.now = () => BEGIN + this.clock.now;
    Math.random = () => (typeof this.random === "function" ? this.random() : this.random);
    this.dispatch = (name, more = {}) =>
      (name === "visibilitychange" ? page : listeners).dispatchEvent(Object.assign(new Event(name), more));
    return this;
  }

  async #fetch(url, options) {
    this.requests.push({ url, ...options });
    const answer = this.onToken(options, url);
    if (answer instanceof Error) {
      throw answer;
    }
    if (answer === "nothing") {
      return new Promise(() => {});
    }
    if (answer === "redirect") {
      return { type: "opaqueredirect", status: 0, ok: false }; // as it looks where redirects are not followed
    }
    const { status, body, headers = {} } = answer;
    return {
      status,
      ok: status < 300,
      headers: { get: (name) => headers[name] ?? null },
      json: async () => body,
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** The sockets that are open now. */
  get open() {
    return this.sockets.filter((socket) => socket.isOpen && !socket.closed);
  }

  goOffline() {
    this.online = false;
    this.dispatch("offline");
  }

  goOnline() {
    this.online = true;
    this.dispatch("online");
  }
}

/** A lock manager as in the browser, for one origin. */
export class Locks {
  #waiting = new Map();

  request(name, { signal }, deed) {
    const queue = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, queue);
    return new Promise((resolve, reject) => {
      const turn = { deed, resolve, held: false };
      signal.addEventListener("abort", () => {
        if (!turn.held) {
          queue.splice(queue.indexOf(turn), 1);
          reject(signal.reason);
        }
      });
      queue.push(turn);
      this.#next(queue);
    });
  }

  #next(queue) {
    const [first] = queue;
    if (!first || first.held) {
      return;
    }
    first.held = true;
    Promise.resolve()
      .then(first.deed)
      .then((value) => {
        queue.shift();
        first.resolve(value);
        this.#next(queue);
      });
  }
}

/** A BroadcastChannel that does not keep the process alive. */
class Bus {
  static all = new Set();

  constructor(name) {
    this.name = name;
    Bus.all.add(this);
  }

  postMessage(message) {
    if (!Bus.all.has(this)) {
      throw new DOMException("The channel is closed.", "InvalidStateError"); // as browsers do
    }
    const copy = structuredClone(message);
    for (const other of Bus.all) {
      if (other !== this && other.name === this.name) {
        queueMicrotask(() => Bus.all.has(other) && other.onmessage?.({ data: copy }));
      }
    }
  }

  close() {
    Bus.all.delete(this);
  }
}
