// What can go wrong.

// Refusals of a channel that another attempt would meet, too. A code that is not known here is not one.
export const FINAL = ["acks_off", "channel_denied", "invalid_channel", "permission_denied", "too_many_channels"];

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
export class AttemptError extends Error {
  constructor(reason = "unreachable", { final = false, refusal = false, waitMs = 0 } = {}) {
    super(reason);
    this.reason = reason;
    this.final = final;
    this.refusal = refusal;
    this.waitMs = waitMs;
  }
}
