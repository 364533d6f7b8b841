// The browser's side of django-websocket-gateway, wire format 1. No dependencies, no build step.
// Described in management_docs/browser_client.md.

/**
 * @typedef {"connecting" | "open" | "reconnecting" | "closed"} State
 * @typedef {{state: State, reason: string}} StateChange
 * @typedef {{[key: string]: any}} Payload
 * @typedef {"reject" | "drop-oldest"} Overflow
 *
 * @typedef {object} Options
 * @property {string} url The gateway's `wss://` address.
 * @property {string} [tokenUrl] Where a token is POSTed for; empty for a public endpoint.
 * @property {string} [channel] The primary channel; empty for the gateway's default.
 * @property {"query" | "subprotocol"} [tokenBy] How the token travels.
 * @property {string} [subprotocol] The one that is echoed where the token is the other.
 * @property {string | (() => string)} [csrfToken] Used where the cookie cannot be read.
 * @property {string} [csrfCookie] Name of Django's CSRF cookie.
 * @property {string} [csrfHeader] Name of the header that Django reads it from.
 * @property {string} [handlerKey] The view's `handler_selection_key`.
 * @property {boolean} [share] One connection for all tabs of this browser.
 * @property {string} [shareKey] What tells apart connections that must not be shared, such as the user.
 * @property {number} [queueLimit] Messages kept while there is no connection.
 * @property {Overflow} [overflow] What happens to one message more.
 * @property {number} [requestMs] How long `request` waits.
 * @property {number} [resendMs] After so long without an answer a request is sent again.
 * @property {number} [backoffMs] The window of the first pause; it doubles.
 * @property {number} [backoffMaxMs] The longest window.
 * @property {number} [connectMs] How long an attempt may take.
 * @property {number} [stableMs] After so long a connection counts as good.
 * @property {number} [heartbeatMs] After so long without a frame the server is asked for one.
 * @property {number} [pongMs] How long it may take to answer.
 * @property {number} [rotateMs] After so long the next connection is opened.
 * @property {number} [handoverMs] How long both are kept.
 * @property {number} [maxRefusals] Refused handshakes in a row before the client gives up.
 * @property {number} [maxFrameBytes] API Gateway's limit for one frame.
 * @property {AbortSignal} [signal] Closes the client.
 *
 * @typedef {Required<Omit<Options, "signal">> & {signal?: AbortSignal}} Settings
 * @typedef {StateChange & {live: string[]}} Status
 * @typedef {{channel: string, error: {code: string, message: string} | null}} Joined
 * @typedef {{status: (status: Status) => void, frame: (value: any) => void, joined: (joined: Joined) => void}} Hooks
 *
 * @typedef {object} Entry A frame on its way.
 * @property {string} text
 * @property {string | null} id
 * @property {(code: string) => boolean} isFinal Whether this error is the answer, or else it is sent again.
 * @property {(frame: any) => void} resolve
 * @property {(error: GatewayError) => void} reject
 * @property {string} [channel] The one that it is about.
 * @property {boolean} [joins] Whether it joins that one, or else leaves it.
 * @property {string} [sentOn] The connection it went over; empty while it waits for one.
 * @property {boolean} [paused] It failed and waits for its next turn.
 * @property {number} [failures]
 * @property {any} [timer] When it is sent again.
 */

const MINUTE = 60_000;

// Refusals of a channel that another attempt would meet, too. A code that is not known here is not one.
const FINAL = ["channel_denied", "invalid_channel", "permission_denied", "too_many_channels"];

const DEFAULTS = {
  tokenUrl: "",
  channel: "",
  tokenBy: /** @type {"query" | "subprotocol"} */ ("query"),
  subprotocol: "websocket-gateway",
  csrfToken: /** @type {string | (() => string)} */ (""),
  csrfCookie: "csrftoken",
  csrfHeader: "X-CSRFToken",
  handlerKey: "handler",
  share: false,
  shareKey: "",
  queueLimit: 100,
  overflow: /** @type {Overflow} */ ("reject"),
  requestMs: 30_000,
  resendMs: 31_000, // API Gateway itself waits 29 s for Django, so what has no answer by now has none
  backoffMs: 1_000,
  backoffMaxMs: 30_000,
  connectMs: 20_000,
  stableMs: 5_000,
  heartbeatMs: 4 * MINUTE, // it closes what was silent for 10 minutes
  pongMs: 10_000,
  rotateMs: 110 * MINUTE, // it closes everything after 2 hours
  handoverMs: 5_000,
  maxRefusals: 10,
  maxFrameBytes: 32_768,
};

/** What went wrong. `code` is one of the wire format's, or one of the client's own. */
export class GatewayError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} [detail] The frame that it is about, or `{ channel }` of one that was refused.
   */
  constructor(code, message, detail) {
    super(message);
    this.name = "GatewayError";
    this.code = code;
    this.detail = detail;
  }
}

/** An attempt failed; `final` means that another one would fail, too. */
class AttemptError extends Error {
  constructor(reason = "unreachable", { final = false, waitMs = 0 } = {}) {
    super(reason);
    this.reason = reason;
    this.final = final;
    this.waitMs = waitMs;
  }
}

/**
 * What was asked and has no answer yet, be it requests or channels: sent again after a pause where the server
 * could not take it or API Gateway reports a failure, after `resendMs` of silence, and after a cut.
 */
class Pending {
  /** @param {Settings} settings @param {() => string} wire Empty for none. @param {(text: string) => void} send */
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
        entry.paused = false;
        clearTimeout(entry.timer);
        entry.timer = entry.id && later(() => this.again([entry]), this.settings.resendMs);
        this.send(entry.text);
      }
    }
    this.entries = this.entries.filter(({ id, sentOn }) => id || !sentOn);
  }

  /** @param {Entry[]} entries */
  again(entries) {
    entries.forEach((entry) => (entry.sentOn = ""));
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

/** One socket, as long as it lives. */
class Wire {
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

/** The connection: tokens, attempts, heartbeat, rotation, subscriptions. */
class Link {
  /** @param {Settings} settings @param {Hooks} hooks */
  constructor(settings, hooks) {
    this.settings = settings;
    this.hooks = hooks;
    this.state = /** @type {State} */ ("connecting");
    this.reason = "";
    /** @type {Wire | null} The one that is sent over. */
    this.current = null;
    /** @type {Wire | null} The one before, during a hand-over. */
    this.retiring = null;
    /** @type {Wire | null} The one that is being opened. */
    this.next = null;
    this.attempts = 0;
    this.refusals = 0;
    this.turn = 0;
    /** @type {any} */
    this.timer = 0;
    /** @type {Map<string, {counts: Map<string, number>, given: number}> | null} */
    this.doubled = null;
    /** @type {Map<string, Set<string>>} Who wants which channels. */
    this.wanted = new Map();
    this.listening = new AbortController();
    const { signal } = this.listening;
    globalThis.addEventListener?.("online", () => this.awake(true), { signal });
    globalThis.addEventListener?.("offline", () => this.offline(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => this.awake(false), { signal });
  }

  status() {
    const live = [this.current, this.retiring].flatMap((wire) => (wire ? [wire.serial] : []));
    return { state: this.state, reason: this.reason, live };
  }

  /** @param {State} state @param {string} reason */
  report(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.hooks.status(this.status());
  }

  open() {
    if (!this.current) {
      this.attempts = this.refusals = 0;
      this.report("connecting");
      this.attempt();
    }
  }

  /** @param {string} reason */
  close(reason) {
    this.listening.abort();
    this.stop(reason);
  }

  /** @param {string} reason */
  stop(reason) {
    this.turn += 1;
    clearTimeout(this.timer);
    [this.current, this.retiring, this.next].forEach((wire) => wire?.drop());
    this.current = this.retiring = this.next = null;
    this.report("closed", reason);
  }

  /** Opens a socket: the first, the one after a cut, or the next one before the cut. */
  async attempt() {
    const turn = (this.turn += 1);
    clearTimeout(this.timer);
    this.next?.drop();
    this.next = null;
    if (!this.settings.url) {
      // Later, so that the page can listen first; no token is spent.
      queueMicrotask(() => turn === this.turn && this.stop("bad_url"));
      return;
    }
    if (isOffline()) {
      this.current ? this.failed(new AttemptError("offline")) : this.offline();
      return;
    }
    try {
      const token = this.settings.tokenUrl ? await fetchToken(this.settings) : "";
      if (turn === this.turn) {
        this.dial(token);
      }
    } catch (error) {
      if (turn === this.turn) {
        this.failed(error instanceof AttemptError ? error : new AttemptError());
      }
    }
  }

  /** @param {string} token */
  dial(token) {
    const { url, channel, tokenBy, subprotocol, connectMs } = this.settings;
    const protocols = token && tokenBy === "subprotocol" ? [subprotocol, `wstoken.${token}`] : [];
    let socket;
    try {
      const address = new URL(url);
      if (channel) {
        address.searchParams.set("channel", channel);
      }
      if (token && tokenBy === "query") {
        address.searchParams.set("ws_token", token);
      }
      socket = new WebSocket(address.href, protocols);
    } catch {
      // No address at all, or `ws:` in a page over https: the next attempt would end like this one.
      throw new AttemptError("bad_url", { final: true });
    }
    const wire = new Wire(socket, Boolean(token), this.settings);
    this.next = wire;
    // The server sends to both from the moment that it accepts the second.
    this.doubled = this.current ? (this.doubled ?? new Map()) : null;
    wire.after(connectMs, () => wire.opened || this.ended(wire));
    wire.socket.onopen = () => this.opened(wire);
    wire.socket.onmessage = (event) => this.heard(wire, event.data);
    wire.socket.onclose = () => this.ended(wire);
  }

  /** @param {Wire} wire */
  opened(wire) {
    const { stableMs, rotateMs } = this.settings;
    wire.opened = true;
    this.next = null;
    this.refusals = 0;
    this.retiring?.drop();
    this.retiring = this.current;
    this.current = wire;
    this.listen(wire);
    wire.after(stableMs, () => (this.attempts = 0));
    wire.after(rotateMs * (1 - Math.random() / 20), () => this.attempt());
    this.join();
    if (this.retiring) {
      this.handOver(this.retiring, 6);
    }
    this.report("open");
  }

  /** @param {Wire} old Kept while answers may be under way. @param {number} patience For subscriptions. */
  handOver(old, patience) {
    old.after(this.settings.handoverMs, () => {
      if (old !== this.retiring) {
        return;
      }
      if (patience > 0 && this.current?.pending.entries.length) {
        this.handOver(old, patience - 1);
        return;
      }
      this.retiring = null;
      old.drop();
      this.report(this.state, this.reason);
      this.current?.after(this.settings.handoverMs, () => (this.doubled = null));
    });
  }

  /** @param {Wire} wire It closed, was refused, or is dead. */
  ended(wire) {
    wire.drop();
    if (wire === this.next) {
      this.next = null;
      this.doubled = this.retiring && this.doubled;
      this.refusals += wire.proven ? 1 : 0;
      const { maxRefusals } = this.settings;
      // Browsers hide why: a token was issued and yet the door is shut, so it is not the network.
      const reason = this.refusals > 2 ? "refused" : "unreachable";
      this.failed(new AttemptError(reason, { final: this.refusals >= maxRefusals }));
    } else if (wire === this.retiring) {
      this.retiring = null;
      this.report(this.state, this.reason);
    } else if (wire === this.current) {
      this.current = null;
      if (this.retiring) {
        [this.current, this.retiring] = [this.retiring, null];
        this.join();
        this.report("open");
      }
      if (!this.next) {
        this.failed(new AttemptError("cut"));
      } else if (!this.current) {
        this.report("reconnecting", "cut");
      }
    }
  }

  /** @param {AttemptError} error */
  failed({ reason, final, waitMs }) {
    if (final) {
      // What is open stays in use until it is cut.
      if (!this.current) {
        this.stop(reason);
      }
      return;
    }
    const { backoffMs, backoffMaxMs } = this.settings;
    const pause = Math.random() * Math.min(backoffMaxMs, backoffMs * 2 ** this.attempts);
    this.attempts += 1;
    clearTimeout(this.timer);
    this.timer = later(() => this.attempt(), waitMs + pause);
    if (!this.current) {
      this.report("reconnecting", isOffline() ? "offline" : reason);
    }
  }

  offline() {
    if (this.state !== "closed" && !this.current) {
      clearTimeout(this.timer);
      this.turn += 1;
      this.report("reconnecting", "offline");
    }
  }

  /** @param {boolean} online Whether the network is back, or else the page is looked at again. */
  awake(online) {
    if (!online && globalThis.document?.visibilityState !== "visible") {
      return;
    }
    if (this.current) {
      this.probe(this.current);
    } else if (this.reason === "refused" && this.state === "closed") {
      this.open();
    } else if (online && this.state !== "closed") {
      this.attempts = 0;
      this.attempt();
    }
  }

  // ---- Is anybody there? ----

  /** @param {Wire} wire Anything that arrives proves the server to be there and starts the wait anew. */
  listen(wire) {
    wire.cancel(wire.silence);
    wire.silence = wire.after(this.settings.heartbeatMs, () => this.probe(wire));
  }

  /** @param {Wire} wire */
  probe(wire) {
    wire.cancel(wire.silence);
    wire.silence = wire.after(this.settings.pongMs, () => this.ended(wire));
    wire.control({ type: "ping" });
  }

  /** @param {Wire} wire @param {any} data */
  heard(wire, data) {
    this.listen(wire);
    const value = parse(data);
    const ours = value?._ws;
    if (ours?.error?.code === "not_connected") {
      this.ended(wire); // nothing will ever be handled over this socket again
    }
    if (wire.pending.heard(value)) {
      return;
    }
    if (ours?.type === "subscribed" || ours?.type === "unsubscribed") {
      this.told(wire, ours.channel, ours.type === "subscribed");
    } else if (ours?.type !== "pong" && !this.isDouble(wire, data)) {
      this.hooks.frame(value);
    }
  }

  /**
   * Whether the other socket brought this frame already. Each text is given as often as it came over the
   * socket on which it came most often.
   * @param {Wire} wire @param {string} text
   */
  isDouble(wire, text) {
    if (!this.doubled) {
      return false;
    }
    const seen = this.doubled.get(text) ?? { counts: new Map(), given: 0 };
    this.doubled.set(text, seen);
    const count = (seen.counts.get(wire.serial) ?? 0) + 1;
    seen.counts.set(wire.serial, count);
    const double = count <= seen.given;
    seen.given = Math.max(seen.given, count);
    return double;
  }

  /** @param {string} text */
  send(text) {
    this.current?.socket.send(text);
  }

  // ---- Channels ----

  channels() {
    return new Set([...this.wanted.values()].flatMap((channels) => [...channels]));
  }

  /** @param {string} owner @param {Iterable<string>} channels */
  want(owner, channels) {
    this.wanted.set(owner, new Set(channels));
    this.join();
  }

  /** Tells the server what it does not know yet. */
  join() {
    new Set([...this.channels(), ...(this.current?.joined ?? [])]).forEach((channel) => this.match(channel));
  }

  /** @param {string} channel It is joined or left, one after the other, until that is as wanted. */
  match(channel) {
    const wire = this.current;
    if (!wire || wire.asked(channel)) {
      return;
    }
    const wanted = this.channels().has(channel);
    if (wanted !== wire.joined.has(channel)) {
      const id = randomId();
      /** @type {Entry} */
      const entry = {
        text: JSON.stringify({ _ws: { type: wanted ? "subscribe" : "unsubscribe", channel, id } }),
        id,
        channel,
        joins: wanted,
        isFinal: (code) => FINAL.includes(code),
        resolve: () => this.told(wire, channel, wanted),
        reject: (error) => (wanted ? this.refused(wire, entry, error) : this.told(wire, channel, false)),
      };
      wire.pending.add(entry);
    } else if (wanted) {
      this.hooks.joined({ channel, error: null });
    }
  }

  /** @param {Wire} wire @param {string} channel @param {boolean} joined What the server says that it is. */
  told(wire, channel, joined) {
    const asked = wire.asked(channel);
    if (asked?.joins === joined) {
      return; // an earlier copy of what is asked
    }
    // A late copy of what was asked before may have undone what is asked now: that is asked once more.
    asked && wire.pending.remove(asked);
    joined ? wire.joined.add(channel) : wire.joined.delete(channel);
    this.match(channel);
  }

  /** @param {Wire} wire @param {Entry} entry @param {GatewayError} error */
  refused(wire, { channel = "", failures }, { code, message }) {
    if (wire === this.current) {
      this.wanted.forEach((channels) => channels.delete(channel));
      this.hooks.joined({ channel, error: { code, message } });
      failures && this.told(wire, channel, true); // an earlier copy may have joined it
    }
  }
}

/** The connection of another tab, or of this one for the others: whoever holds the lock has it. */
class SharedLink {
  /** @param {Settings} settings @param {Hooks} hooks */
  constructor(settings, hooks) {
    this.settings = settings;
    this.hooks = hooks;
    this.id = randomId();
    /** @type {string[]} */
    this.wanted = [];
    /** @type {Link | null} */
    this.link = null;
    this.asked = false;
    this.release = () => {};
    const { url, channel, shareKey } = settings;
    this.name = ["websocket-gateway", url, channel, shareKey].join(" ");
    this.waiting = new AbortController();
    this.bus = new BroadcastChannel(this.name);
    this.bus.onmessage = ({ data }) => this.hear(data);
  }

  open() {
    if (this.link) {
      this.link.open();
    } else if (this.asked) {
      this.post({ open: true });
    } else {
      this.asked = true;
      this.post({ hello: true });
      navigator.locks.request(this.name, { signal: this.waiting.signal }, () => this.lead()).catch(() => {});
    }
  }

  /** @returns {Promise<void>} The lock is held until it resolves. */
  lead() {
    /** @param {Payload} news */
    const tell = (news) => {
      this.post(news);
      this.deliver(news);
    };
    this.link = new Link(this.settings, {
      status: (status) => tell({ status }),
      frame: (frame) => tell({ frame }),
      joined: (joined) => tell({ joined }),
    });
    this.link.want(this.id, this.wanted);
    this.post({ roll: true });
    this.link.open();
    return new Promise((resolve) => (this.release = () => resolve()));
  }

  /** @param {Payload} message */
  post(message) {
    this.bus.postMessage({ from: this.id, ...message });
  }

  /** @param {Payload} message */
  hear(message) {
    const { link } = this;
    if (message.roll) {
      this.want(this.id, this.wanted);
    } else if (!link) {
      this.deliver(message);
    } else if (message.text) {
      link.send(message.text);
    } else if (message.wanted) {
      link.want(message.from, message.wanted);
    } else if (message.hello) {
      this.post({ status: link.status() });
    } else if (message.open) {
      link.open();
    }
  }

  /** @param {Payload} news */
  deliver({ status, frame, joined }) {
    if (status) {
      this.hooks.status(status);
    } else if (joined) {
      if (joined.error) {
        this.wanted = this.wanted.filter((channel) => channel !== joined.channel);
      }
      this.hooks.joined(joined);
    } else if (frame !== undefined) {
      this.hooks.frame(frame);
    }
  }

  /** @param {string} text */
  send(text) {
    this.link ? this.link.send(text) : this.post({ text });
  }

  /** @param {string} owner @param {Iterable<string>} channels */
  want(owner, channels) {
    this.wanted = [...channels];
    this.link ? this.link.want(this.id, this.wanted) : this.post({ wanted: this.wanted });
  }

  /** @param {string} reason */
  close(reason) {
    this.waiting.abort();
    if (this.link) {
      // The others go on: they must not hear that this tab has closed.
      this.link.hooks = { status() {}, frame() {}, joined() {} };
      this.link.close(reason);
      this.link = null;
    } else {
      this.post({ wanted: [] });
    }
    this.bus.close();
    this.release();
    this.hooks.status({ state: "closed", reason, live: [] });
  }
}

/** What a page talks to. Made by `connect()` or `fromPage()`. */
export class GatewayClient {
  /** @type {Settings} */ #settings;
  /** @type {Link | SharedLink} */ #link;
  /** @type {Status} */ #status = { state: "connecting", reason: "", live: [] };
  /** @type {Map<string, Set<(value: any) => void>>} */ #listeners = new Map();
  /** @type {Pending} */ #pending;
  /** @type {Set<string>} */ #channels = new Set();
  /** @type {Map<string, {promise: Promise<void>, resolve: () => void, reject: (error: GatewayError) => void}>} */
  #joining = new Map();
  #client = randomId();
  #count = 0;
  #ended = false;

  /** @param {Options} options */
  constructor(options) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#settings = { ...DEFAULTS, .../** @type {Options} */ (Object.fromEntries(given)) };
    const { url, share, signal } = this.#settings;
    if (!url) {
      console.warn("websocket_gateway: the page has no address to connect to; the server's log says why.");
    }
    const wire = () => (this.state === "open" ? (this.#status.live[0] ?? "") : "");
    this.#pending = new Pending(this.#settings, wire, (text) => this.#link.send(text));
    const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel;
    this.#link = new (share && canShare ? SharedLink : Link)(this.#settings, {
      status: (status) => this.#changed(status),
      frame: (value) => this.#received(value),
      joined: (joined) => this.#joined(joined),
    });
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
    if (this.state === "closed" && !this.#ended) {
      this.#link.open();
    }
  }

  /**
   * Send and forget. Waits in the queue while there is no connection; a cut may swallow it.
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
   * @param {string} handler @param {Payload} [data]
   * @param {{timeout?: number, signal?: AbortSignal}} [options] `timeout` in milliseconds, `Infinity` for none.
   * @returns {Promise<any>}
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
   * Rejects where it may not be joined. One that is refused later is told by `$error`, too.
   * @param {string} channel
   * @returns {Promise<void>}
   */
  subscribe(channel) {
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
    this.#link.want(this.#client, this.#channels);
    return waiting.promise;
  }

  /** @param {string} channel One that it is not in is no error. */
  unsubscribe(channel) {
    this.#channels.delete(channel);
    this.#joining.get(channel)?.reject(new GatewayError("unsubscribed", "It was left before it was joined."));
    this.#joining.delete(channel);
    this.#link.want(this.#client, this.#channels);
  }

  /**
   * Listen to `$message` (every frame), `$state`, `$error`, or to frames with this `type`.
   * @param {string} type @param {(value: any) => void} listener
   * @returns {() => void} Ends it.
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
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
      while (frames.length || !this.#ended) {
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
    if (!this.#ended) {
      this.#ended = true;
      this.#link.close(reason);
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
    this.#pending.again(this.#pending.entries.filter(({ sentOn = "" }) => !status.live.includes(sentOn)));
    if (before.state !== status.state || before.reason !== status.reason) {
      this.#emit("$state", { state: status.state, reason: status.reason });
    }
  }

  /** @param {Joined} joined */
  #joined({ channel, error }) {
    const waiting = this.#joining.get(channel);
    this.#joining.delete(channel);
    if (!error) {
      waiting?.resolve();
    } else if (this.#channels.delete(channel)) {
      // Else it is another tab's, with which this one shares the connection.
      const refusal = new GatewayError(error.code, error.message, { channel });
      waiting?.reject(refusal);
      this.#emit("$error", refusal);
    }
  }

  /** @param {any} value */
  #received(value) {
    const ours = value?._ws;
    if (this.#pending.heard(value) || ours?.reply_to !== undefined) {
      return;
    }
    if (ours?.error) {
      this.#emit("$error", new GatewayError(ours.error.code, ours.error.message, value));
    } else if (isGatewayError(value)) {
      this.#emit("$error", new GatewayError("gateway", value.message, value));
    } else {
      this.#emit("$message", value);
      if (typeof value?.type === "string" && !value.type.startsWith("$")) {
        this.#emit(value.type, value);
      }
    }
  }

  /** @param {string} type @param {any} value */
  #emit(type, value) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // One listener's mistake must not cost the others the frame, nor the socket.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/**
 * Open a connection.
 * @param {Options} options
 */
export function connect(options) {
  return new GatewayClient(options);
}

/**
 * The connection that `{% websocket_client %}` configured; the same one for every script of the page.
 * @param {string} [elementId]
 * @param {Partial<Options>} [options] Win over the page's.
 * @returns {GatewayClient}
 */
export function fromPage(elementId = "websocket-gateway", options = {}) {
  const element = /** @type {(HTMLElement & {websocketGateway?: GatewayClient}) | null} */ (
    document.getElementById(elementId)
  );
  if (!element) {
    throw new GatewayError("no_config", `There is no element #${elementId}: use {% websocket_client %}.`);
  }
  // On the element, because two addresses of this file are two modules.
  element.websocketGateway ??= connect({ ...JSON.parse(element.textContent ?? ""), ...options });
  return element.websocketGateway;
}

/** @param {Settings} settings */
async function fetchToken({ tokenUrl, csrfHeader, connectMs, ...rest }) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), connectMs);
  try {
    const headers = { [csrfHeader]: csrfToken(rest), Accept: "application/json" };
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers,
      credentials: "same-origin",
      signal: late.signal,
    });
    // A redirect is Django's way of asking for a login.
    if (response.status === 401 || response.status === 403 || response.redirected) {
      const { error } = await response.json().catch(() => ({}));
      throw new AttemptError(error === "csrf_failed" ? error : "unauthorized", { final: true });
    }
    if (!response.ok) {
      const waitMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
      throw new AttemptError(response.status === 429 ? "rate_limited" : "unreachable", { waitMs });
    }
    const { token } = await response.json();
    if (!token) {
      throw new AttemptError(); // what answered is not the token view
    }
    return String(token);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {{csrfCookie: string, csrfToken: string | (() => string)}} settings */
function csrfToken({ csrfCookie, csrfToken: given }) {
  const { document } = globalThis;
  // The cookie first: a login in another tab has changed it, and not this page.
  const pair = document?.cookie.split("; ").find((item) => item.startsWith(`${csrfCookie}=`));
  const field = /** @type {HTMLInputElement | null | undefined} */ (
    document?.querySelector("[name=csrfmiddlewaretoken]")
  );
  return pair?.slice(csrfCookie.length + 1) || (typeof given === "function" ? given() : given) || field?.value || "";
}

/** @param {any} data @returns {any} What is no JSON is given as it is. */
function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** @param {any} value Whether API Gateway itself says that Django failed or took too long. */
function isGatewayError(value) {
  return [value?.message, value?.connectionId, value?.requestId].every((part) => typeof part === "string");
}

/** @param {() => void} deed @param {number} ms A longer time than browsers can wait would be none at all. */
function later(deed, ms) {
  return setTimeout(deed, Math.min(ms, 2 ** 31 - 1));
}

function isOffline() {
  return globalThis.navigator?.onLine === false;
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
