// The place of a page in the history of a channel: what it shows next, and what it must ask for.

import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Answer} Answer
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./types.d.ts").Since} Since
 */

const BUFFER = 500; // messages that came too early; what is dropped can be asked for again

/**
 * Every message once and in order, over cuts, rotations and shared sockets. Pushes and answers may overtake
 * each other, come twice or never.
 */
export class Cursor {
  /**
   * @param {Since} since Where to begin.
   * @param {object} hooks
   * @param {(data: any, offset: number, recovered: boolean) => void} hooks.deliver
   * @param {(loss: {reason: string, from: Position | null, to: Position}) => boolean} hooks.lost Whether the page loads its state again.
   * @param {(since: Since, answered: (answer: Answer) => void) => () => void} hooks.ask Returns what takes it back.
   * @param {number} gapMs
   */
  constructor(since, hooks, gapMs) {
    this.since = since;
    this.hooks = hooks;
    this.gapMs = gapMs;
    /** @type {"idle" | "joining" | "recovering" | "live" | "gap"} */
    this.state = "idle";
    /** @type {Map<number, {epoch: string, data: any}>} By offset. */
    this.early = new Map();
    this.cancel = () => {};
    /** @type {any} */
    this.timer = 0;
    this.wait = 0;
  }

  /** @returns {Position | null} After which message; null as long as that is not known. */
  get position() {
    return this.since && "epoch" in this.since ? this.since : null;
  }

  /** A socket is open, and the answer to its `subscribe` is under way. */
  opened() {
    this.stop("joining");
  }

  closed() {
    this.stop("idle");
  }

  /** @param {"idle" | "joining" | "recovering" | "live" | "gap"} state */
  stop(state) {
    clearTimeout(this.timer);
    this.cancel();
    this.cancel = () => {};
    this.state = state;
  }

  recover() {
    this.stop("recovering");
    const asked = this.since;
    this.cancel = this.hooks.ask(asked, (answer) => this.answered(answer, asked));
  }

  /**
   * @param {{epoch: string, offset: number, wait?: number}} at
   * @param {any} data
   */
  pushed({ epoch, offset, wait = 0 }, data) {
    this.wait = wait * 1_000;
    const { position } = this;
    if (this.state === "joining" || this.state === "recovering" || this.state === "idle") {
      this.hold(epoch, offset, data);
    } else if (!position) {
      this.move(epoch, offset - 1);
      this.give(offset, data, false);
    } else if (epoch !== position.epoch && position.epoch) {
      this.hold(epoch, offset, data);
      this.recover();
    } else {
      this.hold(epoch, offset, data);
      this.drain();
    }
  }

  /** @param {string} epoch @param {number} offset @param {any} data */
  hold(epoch, offset, data) {
    this.early.set(offset, { epoch, data });
    if (this.early.size > BUFFER) {
      this.early.delete(/** @type {number} */ (this.early.keys().next().value));
    }
  }

  /** @param {string} epoch @param {number} offset */
  move(epoch, offset) {
    this.since = { epoch, offset };
  }

  /** @param {number} offset @param {any} data @param {boolean} recovered */
  give(offset, data, recovered) {
    // First: what a listener does must find the message counted as shown.
    this.move(/** @type {Position} */ (this.since).epoch, offset);
    this.early.delete(offset);
    this.hooks.deliver(data, offset, recovered);
  }

  /** Show what follows; wait for what is missing before that. */
  drain() {
    const { position } = this;
    for (const offset of position ? [...this.early.keys()].sort((a, b) => a - b) : []) {
      const { epoch, data } = /** @type {{epoch: string, data: any}} */ (this.early.get(offset));
      const now = /** @type {Position} */ (this.since);
      if (!now.epoch && !now.offset) {
        this.move(epoch, 0); // the first message of the channel, ever
      }
      if (epoch !== /** @type {Position} */ (this.since).epoch || offset <= now.offset) {
        this.early.delete(offset);
      } else if (offset === now.offset + 1) {
        this.give(offset, data, false);
      }
    }
    if (!this.early.size) {
      clearTimeout(this.timer);
      this.state = "live";
    } else if (this.state !== "gap") {
      this.state = "gap";
      this.patience();
    }
  }

  /** The missing one may be late, and not lost. */
  patience() {
    const { offset } = /** @type {Position} */ (this.since);
    clearTimeout(this.timer);
    this.timer = later(
      () => (this.position?.offset === offset ? this.recover() : this.patience()),
      Math.max(this.gapMs * (0.5 + Math.random()), this.wait),
    );
  }

  /**
   * @param {Answer} answer @param {Since | undefined} asked The position that it answers: that of another tab,
   * or of a moment ago.
   */
  answered({ epoch, offset, messages = [], more, lost }, asked) {
    const before = this.position;
    if (!before && asked && "epoch" in asked) {
      this.recover(); // this page has no position, so it is not for this page
      return;
    }
    const mine = !before || (asked && "epoch" in asked && asked.epoch === before.epoch && asked.offset === before.offset);
    const same = !before || before.epoch === epoch || (!before.epoch && !before.offset);
    if (before && (lost || !same || offset > before.offset) && !mine) {
      this.recover();
      return;
    }
    if (!before) {
      this.move(epoch, asked ? offset : this.begin(epoch, offset));
      lost && this.hooks.lost({ reason: lost, from: null, to: { epoch, offset } });
    } else if (lost || !same) {
      this.move(epoch, offset);
      if (this.hooks.lost({ reason: lost || "epoch", from: before, to: { epoch, offset } })) {
        return; // the state is loaded again
      }
    } else if (!before.epoch) {
      this.move(epoch, before.offset);
    }
    const first = this.position?.offset;
    for (const message of messages) {
      if (message.offset === /** @type {Position} */ (this.since).offset + 1) {
        this.give(message.offset, message.data, true);
      }
    }
    const at = /** @type {Position} */ (this.since).offset;
    if (more && at === offset + messages.length) {
      this.stop("recovering");
      // A server that gives nothing must not be asked without a pause.
      this.timer = later(() => this.recover(), at === first && !messages.length ? this.gapMs : 0);
      return;
    }
    this.stop("live");
    this.drain();
  }

  /** Where a page without a position begins: with what was pushed to it before the answer. @param {string} epoch @param {number} top */
  begin(epoch, top) {
    const pushed = [...this.early].filter(([offset, early]) => early.epoch === epoch && offset <= top);
    return Math.min(top, ...pushed.map(([offset]) => offset - 1));
  }
}
