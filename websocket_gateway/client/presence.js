// Who is in a channel, for a page.

import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Member} Member
 * @typedef {import("./types.d.ts").MemberPage} MemberPage
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {(value: any) => void} Listener
 * @typedef {{element?: Element | null, signal?: AbortSignal}} ListenerOptions
 * @typedef {{v: number, info: any, here: boolean, turn: number, timer?: any}} Known
 */

const PAGES = 5; // a page of the list has up to 100 members; a larger channel is shown as a number

/**
 * The members of one channel. Changes may come twice, late or never: each carries the generation of its member, and
 * their number says whether one is missing. Then, and at each heartbeat, the list is asked for.
 */
export class Presence {
  /** @type {Map<string, Known>} */ #known = new Map();
  #settings;
  #hooks;
  #watched = false;
  #isComplete = false;
  #count = 0;
  #told = ""; // the state that listeners have, as JSON
  #turn = 0;
  #take = () => {};
  /** @type {any} */ #timer = 0;

  /**
   * @param {Settings} settings
   * @param {MemberPage | undefined} rendered The members that the page was rendered with.
   * @param {object} hooks
   * @param {(type: string, listener: Listener, options?: ListenerOptions) => () => void} hooks.on
   * @param {(state: {members: Member[], count: number}) => void} hooks.changed
   * @param {(error: any) => void} hooks.failed
   * @param {(after: number, page: (page: MemberPage) => void, failed: (error: any) => void) => () => void} hooks.ask
   * @param {() => boolean} hooks.isIn Whether the channel is joined; before that there is nothing to ask for.
   */
  constructor(settings, rendered, hooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    rendered && this.#show(rendered);
  }

  /** Those who are shown now: all of a small channel. */
  get members() {
    const shown = [...this.#known].filter(([, { here, timer }]) => here || timer);
    return shown.map(([id, { info }]) => ({ id, info }));
  }

  /** How many there are, also in a channel that is too large to show them. */
  get count() {
    return this.#isComplete ? this.members.length : this.#count;
  }

  /**
   * Listen to `change`: `{members, count}`, as soon as that is known and at each join and leave.
   * @param {"change"} type @param {(state: {members: Member[], count: number}) => void} listener
   * @param {ListenerOptions} [options] @returns {() => void} Ends it.
   */
  on(type, listener, options) {
    if (!this.#watched) {
      this.#watched = true;
      this.#hooks.isIn() && this.refresh();
    }
    const end = this.#hooks.on(type, listener, options);
    let isOver = false;
    this.#told && queueMicrotask(() => isOver || listener({ members: this.members, count: this.count }));
    return () => ((isOver = true), end());
  }

  /** What the page was rendered with. A member who had just left may be coming back. @param {MemberPage} rendered */
  #show({ members, count, more }) {
    this.#isComplete = !more;
    this.#count = count;
    for (const { id, info, v, left } of more ? [] : members) {
      this.#come(id, info, v);
      left && this.#go(id, v);
    }
    this.#told = this.#state();
  }

  #state() {
    return JSON.stringify([this.members, this.count]);
  }

  /** Listeners are called if what is shown has changed. */
  #changed() {
    const state = this.#state();
    if (state !== this.#told) {
      this.#told = state;
      this.#hooks.changed(this);
    }
  }

  /**
   * A page of members, for a channel that is too large to show them all.
   * @param {{after?: number}} [range] What the page before gave. @returns {Promise<MemberPage>}
   */
  list({ after = 0 } = {}) {
    return new Promise((resolve, reject) => this.#hooks.ask(after, resolve, reject));
  }

  /** Ask for the list: the connection has joined, or something is missing. */
  refresh() {
    if (this.#watched) {
      this.stop();
      this.#load(0, new Map(), this.#turn, 1);
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#take();
  }

  /** @param {number} after @param {Map<string, any>} found @param {number} asked @param {number} pages */
  #load(after, found, asked, pages) {
    this.#take = this.#hooks.ask(
      after,
      ({ members, count, more, after: next }) => {
        members.forEach((member) => found.set(member.id, member));
        this.#count = count;
        if (more && next !== undefined && pages < PAGES) {
          this.#load(next, found, asked, pages + 1);
        } else {
          this.#loaded(found, asked, !more);
        }
      },
      (error) => {
        if (["presence_off", "permission_denied", "unknown_control", "closed"].includes(error.code)) {
          this.#watched = false;
          this.#hooks.failed(error);
        } else {
          this.#again(this.#settings.gapMs); // it is being joined
        }
      },
    );
  }

  /** @param {number} ms */
  #again(ms) {
    clearTimeout(this.#timer);
    this.#timer = later(() => this.refresh(), ms * (0.5 + Math.random()));
  }

  /** @param {Map<string, any>} found @param {number} asked @param {boolean} isComplete */
  #loaded(found, asked, isComplete) {
    this.#isComplete = isComplete;
    isComplete || this.#clear();
    for (const { id, info, v } of isComplete ? found.values() : []) {
      this.#come(id, info, v);
    }
    for (const [id, known] of this.#known) {
      // What was pushed since the question is newer than the answer.
      if (!found.has(id) && known.turn <= asked) {
        known.here ? this.#go(id, known.v) : known.timer || this.#known.delete(id);
      }
    }
    this.#again(this.#settings.heartbeatMs);
    this.#changed();
  }

  /** @param {{count: number, join?: (Member & {v: number})[], leave?: {id: string, v: number}[]}} change */
  pushed({ count, join, leave }) {
    if (!this.#watched && !this.#told) {
      return;
    }
    this.#turn += 1;
    this.#count = count;
    if (!join && !leave) {
      this.#isComplete = false;
      this.#clear();
    }
    join?.forEach(({ id, info, v }) => this.#come(id, info, v));
    leave?.forEach(({ id, v }) => this.#go(id, v));
    const here = [...this.#known.values()].filter((known) => known.here).length;
    if ((join || leave) && here !== count) {
      this.#again(this.#settings.gapMs); // another change is late, or lost
    }
    this.#changed();
  }

  #clear() {
    this.#known.forEach(({ timer }) => clearTimeout(timer));
    this.#known.clear();
  }

  /** @param {string} id @param {any} info @param {number} v */
  #come(id, info, v) {
    const before = this.#known.get(id);
    if (!before || v > before.v) {
      clearTimeout(before?.timer);
      this.#known.set(id, { v, info, here: true, turn: this.#turn });
    }
  }

  /** A page that is loaded again comes back at once: for so long it is not shown as gone. @param {string} id @param {number} v */
  #go(id, v) {
    /** @type {Known} */
    const known = this.#known.get(id) ?? { v, info: null, here: false, turn: 0 };
    if (v < known.v) {
      return;
    }
    if (known.here) {
      known.timer = later(() => {
        known.timer = 0;
        this.#changed();
      }, this.#settings.presenceGraceMs);
    }
    this.#known.set(id, Object.assign(known, { v, here: false, turn: this.#turn }));
  }
}
