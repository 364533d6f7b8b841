// Tokens for connecting, and the CSRF token that asking for one needs.

import { AttemptError } from "./errors.js";
import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Settings} Settings
 * @typedef {import("./types.d.ts").Token} Token
 * @typedef {import("./types.d.ts").TokenSource} TokenSource
 */

/** @param {Settings} settings @returns {Promise<Token>} */
export async function getToken(settings) {
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
export function csrfTokens({ csrfCookie, csrfToken: given }) {
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
