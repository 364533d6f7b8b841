// The browser's side of django-websocket-gateway, wire format 1. No dependencies, no build step.
// Described in management_docs/browser_client.md.

/**
 * @typedef {import("./types.d.ts").State} State
 * @typedef {import("./types.d.ts").StateChange} StateChange
 * @typedef {import("./types.d.ts").Payload} Payload
 * @typedef {import("./types.d.ts").Overflow} Overflow
 * @typedef {import("./types.d.ts").Token} Token
 * @typedef {import("./types.d.ts").TokenSource} TokenSource
 * @typedef {import("./types.d.ts").Options} Options
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Status} Status
 * @typedef {import("./types.d.ts").Joined} Joined
 * @typedef {import("./types.d.ts").Hooks} Hooks
 * @typedef {import("./types.d.ts").Entry} Entry
 */

const MINUTE = 60_000;

// Refusals of a channel that another attempt would meet, too. A code that is not known here is not one.
const FINAL = ["channel_denied", "invalid_channel", "permission_denied", "too_many_channels"];

const DEFAULTS = {
  tokenUrl: "",
  token: undefined,
  headers: /** @type {Payload | (() => Payload | Promise<Payload>)} */ ({}),
  credentials: /** @type {RequestCredentials} */ ("same-origin"),
  user: undefined,
  followLogin: false,
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
  slowMs: 2 * MINUTE,
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

/** An attempt failed. `final`: another one would fail, too; `refusal`: the server is there and refuses. */
class AttemptError extends Error {
  constructor(reason = "unreachable", { final = false, refusal = false, waitMs = 0 } = {}) {
    super(reason);
    this.reason = reason;
    this.final = final;
    this.refusal = refusal;
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
        entry.paused = entry.freed = false;
        clearTimeout(entry.timer);
        entry.timer = entry.id && later(() => this.again([entry]), this.settings.resendMs);
        this.send(entry.text);
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
    this.trying = false;
    this.due = 0; // when the back-off ends
    this.barred = 0; // until when the server wants no attempt
    this.hurried = 0; // when an event last brought an attempt forward
    /** @type {BroadcastChannel | undefined} Where another tab says that its user is logged in. */
    this.logins = undefined;
    /** @type {any} */
    this.timer = 0;
    /** @type {Map<string, {counts: Map<string, number>, given: number}> | null} */
    this.doubled = null;
    /** @type {Map<string, Set<string>>} Who wants which channels. */
    this.wanted = new Map();
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

  /** @param {string} reason @param {State} [state] */
  stop(reason, state = "closed") {
    this.turn += 1;
    this.trying = false;
    clearTimeout(this.timer);
    [this.current, this.retiring, this.next].forEach((wire) => wire?.drop());
    this.current = this.retiring = this.next = null;
    this.logins?.close();
    this.report(state, reason);
  }

  /** What tabs that ask the same place for tokens tell each other. */
  tabs() {
    return globalThis.BroadcastChannel && new BroadcastChannel(`websocket-gateway login ${this.settings.tokenUrl}`);
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
    if (isOffline(this.settings)) {
      this.current ? this.failed(new AttemptError("offline")) : this.offline();
      return;
    }
    this.trying = true;
    const { token, tokenUrl } = this.settings;
    try {
      const found = token || tokenUrl ? await getToken(this.settings) : { token: "" };
      if (turn === this.turn) {
        this.bind(found);
        this.dial(found.token);
      }
    } catch (error) {
      if (turn === this.turn) {
        const known = error instanceof AttemptError;
        token && !known && console.warn("websocket_gateway: the option token failed:", error);
        this.failed(known ? error : new AttemptError());
      }
    }
  }

  /** A page sends nothing in the name of another user than its own. @param {Token} token */
  bind({ user, user_fallbacks: fallbacks = [] }) {
    const { settings } = this;
    if (user !== undefined && (settings.user === undefined || (!settings.user && settings.followLogin))) {
      settings.user = user;
    } else if (user !== undefined && ![user, ...fallbacks].includes(settings.user ?? "")) {
      throw new AttemptError("user_changed", { final: true });
    }
  }

  /** @param {string} token */
  dial(token) {
    this.logins?.close();
    clearTimeout(this.timer); // of a cut while the token was under way
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
    this.trying = false;
    this.refusals = 0;
    if (wire.proven) {
      const tabs = this.tabs();
      tabs?.postMessage(true);
      tabs?.close();
    }
    this.retiring?.drop();
    this.retiring = this.current;
    this.current = wire;
    this.listen(wire);
    wire.after(stableMs, () => (this.attempts = this.hurried = 0));
    wire.after(rotateMs * (1 - Math.random() / 20), () => this.attempt());
    this.join();
    if (this.retiring) {
      this.handOver(this.retiring);
    }
    this.report("open");
  }

  /** @param {Wire} old Kept while answers may be under way, and while channels are joined on it alone. */
  handOver(old) {
    old.after(this.settings.handoverMs, () => {
      if (old !== this.retiring) {
        return;
      }
      const wanted = this.channels();
      if ([...old.joined].some((channel) => wanted.has(channel) && !this.current?.joined.has(channel))) {
        this.doubled = new Map(); // what it alone brought by now must not count against the new one
        this.handOver(old);
      } else {
        this.ended(old);
      }
    });
  }

  /** @param {Wire} wire It closed, was refused, or is dead. */
  ended(wire) {
    wire.drop();
    if (wire === this.next) {
      this.next = null;
      this.doubled = this.retiring && this.doubled;
      // Browsers hide why: a token was issued and yet the handshake failed, so it is not the network.
      const refused = wire.proven && this.refusals > 1;
      this.failed(new AttemptError(refused ? "refused" : "unreachable", { refusal: wire.proven }));
    } else if (wire === this.retiring) {
      this.retiring = null;
      this.report(this.state, this.reason);
      this.current?.after(this.settings.handoverMs, () => (this.doubled = null));
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
  failed({ reason, final, refusal, waitMs }) {
    this.trying = false;
    if (final) {
      // What is open stays in use until it is cut, but not by a page whose user has gone.
      if (!this.current || reason === "user_changed") {
        this.stop(reason);
        this.due = Infinity;
        this.logins = reason === "unauthorized" ? this.tabs() : undefined;
        this.logins && (this.logins.onmessage = () => this.attempt());
      }
      return;
    }
    const { backoffMs, backoffMaxMs, maxRefusals, slowMs } = this.settings;
    this.refusals += refusal ? 1 : 0;
    const pause =
      this.refusals < maxRefusals
        ? Math.random() * Math.min(backoffMaxMs, backoffMs * 2 ** this.attempts)
        : slowMs * (0.5 + Math.random());
    this.attempts += 1;
    this.barred = Date.now() + waitMs;
    this.due = this.barred + pause;
    this.plan(this.due);
    if (!this.current) {
      this.report("reconnecting", isOffline(this.settings) ? "offline" : reason);
    }
  }

  /** @param {number} time */
  plan(time) {
    clearTimeout(this.timer);
    this.timer = later(() => this.attempt(), Math.max(0, time - Date.now()));
  }

  offline() {
    if (this.state !== "closed" && !this.current && isOffline(this.settings)) {
      this.report("reconnecting", "offline");
    }
  }

  mute() {}

  /** The network is back, or the page is looked at again. */
  awake() {
    const { backoffMaxMs, followLogin, user } = this.settings;
    const now = Date.now();
    const free = this.hurried + backoffMaxMs / 2; // many events in a row do not make many attempts
    // An anonymous visitor who logs in gets another page.
    const isFinal = this.reason !== "unauthorized" || (user === "" && !followLogin);
    if ((this.state === "closed" && isFinal) || (this.trying && !this.current)) {
      return;
    }
    if (now >= Math.max(this.current ? 0 : this.barred, free)) {
      this.hurried = now;
      this.current ? this.probe(this.current) : this.attempt();
    } else if (!this.current) {
      this.plan(Math.max(this.barred, Math.min(this.due, free)));
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
    const wanted = this.channels();
    new Set([...wanted, ...(this.current?.joined ?? [])]).forEach((channel) => this.match(channel));
    this.retiring?.joined.forEach((channel) => wanted.has(channel) || this.match(channel, this.retiring));
  }

  /** @param {string} channel It is joined or left, one after the other, until that is as wanted. */
  match(channel, wire = this.current) {
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
        // API Gateway may let this one overtake the leave that makes room.
        isFinal: (code) => FINAL.includes(code) && !(code === "too_many_channels" && (entry.freed || wire.isLeaving())),
        isOver: () => this.channels().has(channel) !== wanted,
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
    if (joined) {
      wire.joined.add(channel);
    } else {
      wire.joined.delete(channel);
      wire.pending.entries.forEach((entry) => (entry.freed = true));
    }
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
    this.away = false;
    this.release = () => {};
    const { url, channel, user = "", shareKey } = settings;
    this.name = ["websocket-gateway", url, channel, user, shareKey].join(" ");
    this.waiting = new AbortController();
    /** @type {BroadcastChannel | null} */
    this.bus = new BroadcastChannel(this.name);
    this.bus.onmessage = ({ data }) => this.asked && this.hear(data);
  }

  mute() {
    this.bus?.close();
    this.bus = null;
  }

  open() {
    if (this.link) {
      this.link.open();
    } else if (this.asked) {
      this.post({ open: true });
    } else {
      this.asked = true;
      this.away = false;
      // This page's CSRF token is younger than the one of the tab that has the connection.
      this.post({ hello: csrfTokens(this.settings)[0] ?? "", wanted: this.wanted });
      this.queue().catch(() => {});
    }
  }

  async queue() {
    const { signal } = (this.waiting = new AbortController());
    try {
      await navigator.locks.request(this.name, { signal }, () => this.lead());
    } catch {
      if (!signal.aborted && !this.link) {
        this.mute(); // the browser denies locks to this page
        this.lead();
      }
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
    this.asked && this.bus?.postMessage({ from: this.id, ...message });
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
      message.hello !== undefined && this.greet(link, message.hello);
    } else if (message.open) {
      link.open();
    } else if (message.awake) {
      link.awake();
    }
  }

  /** @param {Link} link @param {string} csrf A new tab's: its user may have logged in again. */
  greet(link, csrf) {
    if (csrf && typeof this.settings.csrfToken === "string") {
      this.settings.csrfToken = csrf;
    }
    link.state === "closed" ? link.open() : this.post({ status: link.status() });
  }

  /** @param {boolean} online Whether the network is back, which the other tab hears by itself. */
  awake(online) {
    if (this.away) {
      this.open();
    } else if (this.link) {
      this.link.awake();
    } else if (!online) {
      this.post({ awake: true });
    }
  }

  offline() {
    this.link?.offline();
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

  /** @param {string} reason @param {State} [state] */
  stop(reason, state = "closed") {
    this.waiting.abort();
    if (this.link) {
      // The others go on: they must not hear that this tab has closed.
      this.link.hooks = { status() {}, frame() {}, joined() {} };
      this.link.stop(reason);
      this.link = null;
    } else {
      this.post({ wanted: [] });
    }
    this.asked = false;
    this.away = state !== "closed";
    this.release();
    this.hooks.status({ state, reason, live: [] });
  }
}

/**
 * @typedef {{settings: Settings, owner: Element | null, ended: boolean, leave: () => void}} Inside
 * @type {WeakMap<GatewayClient, Inside>} For `PageClient`; `owner` is the element that new listeners belong to.
 */
const INSIDES = new WeakMap();

/** What a page talks to. Made by `connect()` or `fromPage()`. */
export class GatewayClient {
  /** @type {Settings} */ #settings;
  /** @type {Link | SharedLink} */ #link;
  /** @type {Status} */ #status = { state: "connecting", reason: "", live: [] };
  /** @type {Map<string, Map<(value: any) => void, () => boolean>>} Each with whether it still counts. */
  #listeners = new Map();
  /** @type {Inside} */ #inside;
  #events = new AbortController();
  /** @type {Pending} */ #pending;
  /** @type {Set<string>} */ #channels = new Set();
  /** @type {Map<string, {promise: Promise<void>, resolve: () => void, reject: (error: GatewayError) => void}>} */
  #joining = new Map();
  #client = randomId();
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
    this.#pending = new Pending(this.#settings, wire, (text) => this.#link.send(text));
    const { user, followLogin } = this.#settings;
    // A page that changes its user would change the one of the others, too.
    const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel && (user || !followLogin);
    this.#link = new (share && canShare ? SharedLink : Link)(this.#settings, {
      status: (status) => this.#changed(status),
      frame: (value) => this.#received(value),
      joined: (joined) => this.#joined(joined),
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
    const listeners = this.#listeners.get(type) ?? new Map();
    listeners.forEach((counts, listener) => counts() || listeners.delete(listener));
    for (const listener of [...listeners.keys()]) {
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

/** The client of one configuration, whichever element of the page carries that. */
class PageClient {
  /** @param {string} id @param {Found} found @param {Partial<Options>} options */
  constructor(id, { element, key, config }, options) {
    this.id = id;
    this.key = key;
    this.element = element;
    this.text = element.textContent;
    this.user = config.user;
    // The page may be of a newer version than this file.
    const known = Object.entries(config).filter(([name]) => OPTIONS.includes(name));
    this.client = connect(/** @type {Options} */ ({ ...Object.fromEntries(known), ...options }));
    this.inside = /** @type {Inside} */ (INSIDES.get(this.client));
    /** @type {any} */
    this.timer = 0;
    this.observer = new MutationObserver(() => this.look());
    this.observer.observe(document, { childList: true, characterData: true, subtree: true });
  }

  /** @param {Found} found A script asks for the client of this element. @param {Partial<Options>} options */
  claim({ element, config }, options) {
    this.#found(element);
    this.inside.owner = element.closest("body") ? element : document.body;
    this.inside.settings.csrfToken = options.csrfToken ?? config.csrfToken ?? this.inside.settings.csrfToken;
    this.look();
  }

  /** @param {Element} element */
  #found(element) {
    this.element = element;
    this.text = element.textContent;
  }

  /** Whether the page still has this configuration. Morphing puts another one into the same element. */
  isThere() {
    if (this.element.isConnected && this.element.textContent === this.text) {
      return true;
    }
    const found = read(this.id);
    const isSame = found?.key === this.key;
    found && isSame && this.#found(found.element);
    return isSame;
  }

  /** Whether the page was left. One that was morphed goes on for the same user, until a script asks anew. */
  isLeft() {
    if (this.isThere()) {
      return false;
    }
    const found = this.element.isConnected ? read(this.id) : null;
    return !found || found.config.user !== this.user;
  }

  look() {
    if (this.isLeft()) {
      // What navigates may put the next page in place a moment later.
      this.timer ||= later(() => ((this.timer = 0), this.isLeft() && this.inside.leave()), 1_000);
    } else if (this.client.reason === "removed") {
      this.client.connect();
    }
  }

  end() {
    this.observer.disconnect();
    this.client.close("removed");
  }
}

/**
 * The connection that `{% websocket_client %}` configured: one for every script of the tab, however often each runs.
 * @param {string} [elementId]
 * @param {Partial<Options>} [options] Win over the page's.
 * @returns {GatewayClient}
 */
export function fromPage(elementId = "websocket-gateway", options = {}) {
  const found = read(elementId);
  if (!found) {
    throw new GatewayError("no_config", `There is no element #${elementId}: use {% websocket_client %}.`);
  }
  // In the window, because two addresses of this file are two modules.
  /** @type {Map<string, PageClient>} */
  const pages = (/** @type {any} */ (globalThis).websocketGateway ??= new Map());
  const before = pages.get(found.key);
  const isOver = before?.inside.ended && before.element !== found.element;
  isOver && before.end();
  const page = before && !isOver ? before : new PageClient(elementId, found, options);
  pages.set(found.key, page);
  page.claim(found, options);
  for (const other of pages.values()) {
    if (other !== page && other.id === elementId && !other.isThere()) {
      other.end();
      pages.delete(other.key);
    }
  }
  return page.client;
}

/**
 * @typedef {{element: Element, key: string, config: Payload}} Found
 * @param {string} id
 * @returns {Found | null}
 */
function read(id) {
  // The last one: what navigates may add the next page's before it takes away the one of before.
  const element = [...document.querySelectorAll(`#${CSS.escape(id)}`)].at(-1);
  if (!element) {
    return null;
  }
  const config = JSON.parse(element.textContent ?? "");
  return { element, config, key: JSON.stringify({ ...config, id, csrfToken: "" }) };
}

const OPTIONS = [...Object.keys(DEFAULTS), "url", "signal"];

/** @param {object} options @returns {string} What to say of the first that is none. */
function likeUnknown(options) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (!unknown) {
    return "";
  }
  const pairs = /** @param {string} name */ (name) => [...name.toLowerCase()].map((letter, i, all) => letter + all[i + 1]);
  const alike = OPTIONS.map((option) => pairs(option).filter((pair) => pairs(unknown).includes(pair)).length);
  return `There is no option ${unknown}; did you mean ${OPTIONS[alike.indexOf(Math.max(...alike))]}?`;
}

/** @param {Settings} settings @returns {Promise<Token>} */
async function getToken(settings) {
  const late = new AbortController();
  const { signal } = late;
  const timer = later(() => late.abort(), settings.connectMs);
  const given = settings.token ? callToken(settings.token, signal) : fetchToken(settings, signal);
  try {
    // What was given need not mind the signal.
    return await Promise.race([
      given,
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new AttemptError()))),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {TokenSource} source @param {AbortSignal} signal @returns {Promise<Token>} */
async function callToken(source, signal) {
  const given = await source({ signal });
  const found = typeof given === "string" ? { token: given } : given;
  if (!found?.token) {
    throw new AttemptError("unauthorized", { final: true });
  }
  return found;
}

/** @param {Settings} settings @param {AbortSignal} signal @returns {Promise<Token>} */
async function fetchToken(settings, signal) {
  const { credentials, csrfHeader, headers } = settings;
  const given = typeof headers === "function" ? await headers() : headers;
  const tokens = csrfTokens(settings);
  let { tokenUrl } = settings;
  let moved = false;
  let failed;
  for (;;) {
    const [csrf] = tokens;
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers: { Accept: "application/json", ...(csrf && { [csrfHeader]: csrf }), ...given },
      credentials,
      redirect: "manual",
      signal,
    });
    // Where to is hidden: to a login, or only to the address with its slash.
    if (response.type === "opaqueredirect") {
      const slashed = tokenUrl.replace(/^([^?#]*[^/?#])(?=[?#]|$)/, "$1/");
      if (slashed === tokenUrl) {
        throw new AttemptError("unauthorized", { final: true });
      }
      tokenUrl = slashed;
      moved = true;
    } else if (response.status === 401 || response.status === 403) {
      const { error } = await response.json().catch(() => ({}));
      if (error !== "csrf_failed") {
        throw new AttemptError("unauthorized", { final: true });
      }
      failed = tokens.shift();
      if (!tokens.length) {
        throw new AttemptError("csrf_failed", { refusal: true });
      }
    } else if (response.ok) {
      const found = await response.json();
      if (!found.token) {
        throw new AttemptError(); // what answered is not the token view
      }
      if (csrf && failed) {
        settings.csrfToken = csrf;
      }
      return found;
    } else if (moved && response.status < 500) {
      throw new AttemptError("unauthorized", { final: true }); // it was a login after all
    } else {
      const limited = response.status === 429;
      const waitMs = limited ? retryAfter(response.headers.get("Retry-After")) : 0;
      throw new AttemptError(limited ? "rate_limited" : "unreachable", { refusal: limited, waitMs });
    }
  }
}

/** @param {string | null} value Seconds, or a date. */
function retryAfter(value) {
  return Math.max(0, 1_000 * Number(value) || Date.parse(value ?? "") - Date.now() || 0);
}

/**
 * What may be the CSRF token, best first. Of cookies with one name Django takes the last; a login in another tab
 * changes the cookie, and not this page.
 * @param {Settings} settings
 */
function csrfTokens({ csrfCookie, csrfToken: given }) {
  const { document } = globalThis;
  const cookies = (document?.cookie ?? "").split("; ").filter((item) => item.startsWith(`${csrfCookie}=`));
  const field = /** @type {HTMLInputElement | null | undefined} */ (
    document?.querySelector("[name=csrfmiddlewaretoken]")
  );
  const tokens = [
    typeof given === "function" ? given() : given,
    ...cookies.map((item) => item.slice(csrfCookie.length + 1)).reverse(),
    field?.value ?? "",
  ];
  return [...new Set(tokens.filter(Boolean))];
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

/** @param {Settings} settings Whether there is no network, which a gateway on this machine does not need. */
function isOffline({ url }) {
  return globalThis.navigator?.onLine === false && !/\/\/(localhost|127\.|\[::1\])/.test(url);
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
