// The client of a page that `{% websocket_client %}` configured.

import { connect, INSIDES } from "./client.js";
import { GatewayError } from "./errors.js";
import { OPTIONS } from "./options.js";
import { later } from "./tools.js";

/**
 * @typedef {import("./types.d.ts").Options} Options
 * @typedef {import("./types.d.ts").Payload} Payload
 */

/** @typedef {import("./client.js").GatewayClient} GatewayClient */
/** @typedef {import("./client.js").Inside} Inside */

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

  /** Whether the page was left. A morphed page continues for the same user until a script asks again. */
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
    throw new GatewayError("no_config", `The page has no element #${elementId}: use {% websocket_client %}.`);
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
  // In an attribute: a client of an earlier release, still in a cache, refuses options that it does not know.
  const positions = element.getAttribute("data-positions");
  positions && (config.positions = JSON.parse(positions));
  return { element, config, key: JSON.stringify({ ...config, id, csrfToken: "", members: 0, unread: 0 }) };
}
