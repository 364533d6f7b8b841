// Small functions that several modules use.

/**
 * @typedef {import("./types.d.ts").Settings} Settings
 */

/** @param {any} data @returns {any} Text that is not JSON is returned unchanged. */
export function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** @param {any} value Whether API Gateway itself says that Django failed or took too long. */
export function isGatewayError(value) {
  return [value?.message, value?.connectionId, value?.requestId].every((part) => typeof part === "string");
}

/** @param {() => void} callback @param {number} ms Browsers treat a longer time than they support as zero. */
export function later(callback, ms) {
  return setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
}

/** @param {Settings} settings Whether there is no network, which a gateway on this machine does not need. */
export function isOffline({ url }) {
  return globalThis.navigator?.onLine === false && !/\/\/(localhost|127\.|\[::1\])/.test(url);
}

export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
