// One connection for all tabs of a browser.

import { Link } from "./connection.js";
import { csrfTokens } from "./tokens.js";
import { randomId } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Hooks} Hooks
 * @typedef {import("./types.d.ts").Payload} Payload
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Since} Since
 * @typedef {import("./types.d.ts").State} State
 */

/** The connection of another tab, or of this tab for the others: the tab that holds the lock opens it. */
export class SharedLink {
  /** @param {Settings} settings @param {Hooks} hooks */
  constructor(settings, hooks) {
    this.settings = settings;
    this.hooks = hooks;
    this.id = randomId();
    /** @type {Map<string, Since>} */
    this.wanted = new Map();
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
      answer: (channel, answer, since) => tell({ answer: { channel, answer, since } }),
      since: (channel) => this.hooks.since?.(channel) ?? null,
      heartbeat: () => this.hooks.heartbeat?.() ?? null,
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
      // A tab of the release before sends a list.
      const { wanted } = message;
      link.want(message.from, wanted instanceof Map ? wanted : new Map(wanted.map(/** @param {string} name */ (name) => [name, null])));
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
  deliver({ status, frame, joined, answer }) {
    if (status) {
      this.hooks.status(status);
    } else if (joined) {
      if (joined.error) {
        this.wanted.delete(joined.channel);
      }
      this.hooks.joined(joined);
    } else if (answer) {
      this.hooks.answer(answer.channel, answer.answer, answer.since);
    } else if (frame !== undefined) {
      this.hooks.frame(frame);
    }
  }

  /** @param {string} text */
  send(text) {
    this.link ? this.link.send(text) : this.post({ text });
  }

  /** @param {string} owner @param {Map<string, Since>} channels */
  want(owner, channels) {
    this.wanted = new Map(channels);
    this.link ? this.link.want(this.id, this.wanted) : this.post({ wanted: this.wanted });
  }

  /** @param {string} reason @param {State} [state] */
  stop(reason, state = "closed") {
    this.waiting.abort();
    if (this.link) {
      // The others go on: they must not hear that this tab has closed.
      this.link.hooks = { status() {}, frame() {}, joined() {}, answer() {} };
      this.link.stop(reason);
      this.link = null;
    } else {
      this.post({ wanted: new Map() });
    }
    this.asked = false;
    this.away = state !== "closed";
    this.release();
    this.hooks.status({ state, reason, live: [], inbox: "" });
  }
}
