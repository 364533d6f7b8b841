// The connection: one socket after the other, or two during a hand-over.

import { AttemptError, FINAL, GatewayError } from "./errors.js";
import { Wire } from "./socket.js";
import { getToken } from "./tokens.js";
import { isOffline, later, parse, randomId } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Entry} Entry
 * @typedef {import("./types.d.ts").Hooks} Hooks
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Since} Since
 * @typedef {import("./types.d.ts").State} State
 * @typedef {import("./types.d.ts").Token} Token
 */

/** The connection: tokens, attempts, heartbeat, rotation, subscriptions. */
export class Link {
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
    /** @type {Map<string, Map<string, Since>>} Who wants which channels. */
    this.wanted = new Map();
  }

  status() {
    const live = [this.current, this.retiring].flatMap((wire) => (wire ? [wire.serial] : []));
    return { state: this.state, reason: this.reason, live, inbox: this.settings.inbox };
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
        this.dial(found);
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
  bind({ user, user_fallbacks: fallbacks = [], inbox }) {
    const { settings } = this;
    if (user !== undefined && (settings.user === undefined || (!settings.user && settings.followLogin))) {
      settings.user = user;
    } else if (user !== undefined && ![user, ...fallbacks].includes(settings.user ?? "")) {
      throw new AttemptError("user_changed", { final: true });
    }
    settings.inbox = inbox ?? settings.inbox;
  }

  /** @param {Token} found */
  dial({ token, token_by: by = "query" }) {
    this.logins?.close();
    clearTimeout(this.timer); // of a cut while the token was under way
    const { url, channel, tokenBy = by, subprotocol, connectMs } = this.settings;
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
    const wire = new Wire(socket, Boolean(token), this.settings, (name) => this.since(name));
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

  // ---- Is the server there? ----

  /** @param {Wire} wire Every frame proves that the server is there, and restarts the wait. */
  listen(wire) {
    wire.cancel(wire.silence);
    wire.silence = wire.after(this.settings.heartbeatMs, () => this.probe(wire));
  }

  /** @param {Wire} wire */
  probe(wire) {
    wire.cancel(wire.silence);
    wire.silence = wire.after(this.settings.pongMs, () => this.ended(wire));
    wire.control((wire === this.current && this.hooks.heartbeat?.()) || { type: "ping" });
  }

  /** @param {Wire} wire @param {any} data */
  heard(wire, data) {
    this.listen(wire);
    const value = parse(data);
    const ours = value?._ws;
    if (ours?.error?.code === "not_connected") {
      this.ended(wire); // nothing will ever be handled over this socket again
    }
    if (wire.joins.has(ours?.reply_to)) {
      this.answered(wire, ours);
      return;
    }
    if (wire.pending.heard(value)) {
      return;
    }
    if (ours?.type === "subscribed" || ours?.type === "unsubscribed") {
      const channels = ours.channels ?? { [ours.channel]: {} };
      for (const [channel, { error }] of Object.entries(channels)) {
        error || this.told(wire, channel, ours.type === "subscribed");
      }
    } else if (ours?.type !== "pong" && (ours?.offset || !this.isDouble(wire, data))) {
      // Messages with an offset are told apart by that.
      this.hooks.frame(value);
    }
  }

  /** @param {Wire} wire @param {any} ours The answer to a frame that joins channels, each with its own. */
  answered(wire, { reply_to: frame, error, channels = {} }) {
    const entries = wire.joins.get(frame) ?? [];
    wire.joins.delete(frame);
    for (const entry of entries) {
      const { id, channel = "", since = null } = entry;
      const { error: refusal = error, ...answer } = channels[channel] ?? {};
      if (error?.code === "invalid_channel") {
        entry.single = true; // a server of the release before
        wire.pending.again([entry]);
        continue;
      }
      refusal || this.hooks.answer(channel, answer, since);
      wire.pending.heard({ _ws: { reply_to: id, ...(refusal && { error: refusal }) } });
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
    return new Set([...this.wanted.values()].flatMap((channels) => [...channels.keys()]));
  }

  /** @param {string} owner @param {Map<string, Since>} channels Each with where this owner was when it asked. */
  want(owner, channels) {
    this.wanted.set(owner, channels);
    this.join();
  }

  /** @param {string} channel @returns {Since} The earliest place of all owners, so that nothing is missed. */
  since(channel) {
    const known = [this.hooks.since?.(channel) ?? null, ...[...this.wanted.values()].map((all) => all.get(channel) ?? null)];
    const positions = known.filter((since) => since && "epoch" in since);
    const [first] = /** @type {Position[]} */ (positions);
    if (!first) {
      return known.find(Boolean) ?? null;
    }
    const same = /** @type {Position[]} */ (positions).filter(({ epoch }) => epoch === first.epoch);
    return this.hooks.since?.(channel) ? first : { ...first, offset: Math.min(...same.map(({ offset }) => offset)) };
  }

  /** Tells the server what it does not know yet. */
  join() {
    const wanted = this.channels();
    const all = new Set([...wanted, ...(this.current?.joined ?? [])]);
    this.current?.collect(() => all.forEach((channel) => this.match(channel)));
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
        single: false,
        channel,
        joins: wanted,
        // API Gateway can deliver this frame before the `unsubscribe` that frees a place.
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
