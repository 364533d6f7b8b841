// One channel, for a page.

/**
 * @typedef {import("./types.d.ts").ChannelOptions} ChannelOptions
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {(value: any, delivery?: any) => void} Listener
 * @typedef {{element?: Element | null, signal?: AbortSignal}} ListenerOptions
 */

/** A channel that the page is in. Made by `client.channel(name)`. */
export class Channel {
  #hooks;

  /**
   * @param {string} name
   * @param {object} hooks
   * @param {(type: string, listener: Listener, options?: ListenerOptions) => () => void} hooks.on
   * @param {(range: {limit?: number, before?: number}) => Promise<any>} hooks.history
   * @param {() => Position | null} hooks.position
   * @param {() => void} hooks.leave
   * @param {import("./presence.js").Presence} hooks.presence
   */
  constructor(name, hooks) {
    this.name = name;
    this.#hooks = hooks;
    /** Who is in the channel, if the server gives it presence. */
    this.presence = hooks.presence;
  }

  /** After which message the page is; null without a history, or as long as that is not known. */
  get position() {
    return this.#hooks.position();
  }

  /**
   * Listen to `message` (each message of the channel, once and in order; the second argument is
   * `{offset, recovered}`), `lost` (`{reason, from, to}`: messages that cannot be had any more) or `error`.
   * @template [T=any] The message.
   * @param {"message" | "lost" | "error"} type
   * @param {(value: T, delivery?: any) => void} listener @param {ListenerOptions} [options]
   * @returns {() => void} Ends it.
   */
  on(type, listener, options) {
    return this.#hooks.on(type, listener, options);
  }

  /**
   * Earlier messages, ascending: `{messages: [{offset, data}], more}`. Rejects with a `GatewayError`.
   * @param {{limit?: number, before?: number}} [range] At most 100, and those before this offset.
   * @returns {Promise<{messages: {offset: number, data: any}[], more: boolean}>}
   */
  history(range = {}) {
    return this.#hooks.history(range);
  }

  /** Leave the channel. */
  leave() {
    this.#hooks.leave();
  }
}
