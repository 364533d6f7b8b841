// The options of a client, and their defaults.

/**
 * @typedef {import("./types.d.ts").Payload} Payload
 * @typedef {import("./types.d.ts").Overflow} Overflow
 */

const MINUTE = 60_000;

export const DEFAULTS = {
  tokenUrl: "",
  token: undefined,
  headers: /** @type {Payload | (() => Payload | Promise<Payload>)} */ ({}),
  credentials: /** @type {RequestCredentials} */ ("same-origin"),
  user: undefined,
  followLogin: false,
  channel: "",
  tokenBy: /** @type {"query" | "subprotocol" | undefined} */ (undefined), // else as the token view says
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
  gapMs: 2_000,
  presenceGraceMs: 10_000,
  positions: /** @type {Payload} */ ({}), // by channel
  inbox: "", // else as the token view says
  unread: 0,
  ackMs: 1_000,
  members: /** @type {Payload} */ ({}), // by channel
  maxFrameBytes: 32_768,
};

export const OPTIONS = [...Object.keys(DEFAULTS), "url", "signal"];

/** @param {object} options @returns {string} An error text for the first unknown option; empty if all are known. */
export function likeUnknown(options) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (!unknown) {
    return "";
  }
  const pairs = /** @param {string} name */ (name) => [...name.toLowerCase()].map((letter, i, all) => letter + all[i + 1]);
  const alike = OPTIONS.map((option) => pairs(option).filter((pair) => pairs(unknown).includes(pair)).length);
  return `Unknown option ${unknown}; did you mean ${OPTIONS[alike.indexOf(Math.max(...alike))]}?`;
}
