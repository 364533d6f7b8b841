/**
 * Open a connection.
 * @param {Options} options
 */
export function connect(options: Options): GatewayClient;
/**
 * The connection that `{% websocket_client %}` configured: one for every script of the tab, however often each runs.
 * @param {string} [elementId]
 * @param {Partial<Options>} [options] Win over the page's.
 * @returns {GatewayClient}
 */
export function fromPage(elementId?: string, options?: Partial<Options>): GatewayClient;
/** What went wrong. `code` is one of the wire format's, or one of the client's own. */
export class GatewayError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {unknown} [detail] The frame that it is about, or `{ channel }` of one that was refused.
     */
    constructor(code: string, message: string, detail?: unknown);
    code: string;
    detail: unknown;
}
/** What a page talks to. Made by `connect()` or `fromPage()`. */
export class GatewayClient {
    /** @param {Options} options */
    constructor(options: Options);
    /** Now. */
    get state(): import("./types.d.ts").State;
    /** Why it is `reconnecting` or `closed`: see management_docs/browser_client.md. */
    get reason(): string;
    /** Try again after the client gave up; nothing happens while it is at work. */
    connect(): void;
    /**
     * Send and forget. Waits in the queue while there is no connection; a cut may swallow it.
     * Throws `too_large`, `queue_full` or `closed`.
     * @param {string} handler @param {Payload} [data]
     */
    send(handler: string, data?: Payload): void;
    /**
     * Send and wait for the answer: the handler's dict, or `null` for one that was handled before. Sent again
     * after every cut until the answer comes. Rejects with a `GatewayError`.
     * @param {string} handler @param {Payload} [data]
     * @param {{timeout?: number, signal?: AbortSignal}} [options] `timeout` in milliseconds, `Infinity` for none.
     * @returns {Promise<any>}
     */
    request(handler: string, data?: Payload, { timeout, signal }?: {
        timeout?: number;
        signal?: AbortSignal;
    }): Promise<any>;
    /**
     * Join a further channel, now and after every reconnect; it is asked for until the server joins or refuses it.
     * Rejects where it may not be joined. One that is refused later is told by `$error`, too.
     * @param {string} channel
     * @returns {Promise<void>}
     */
    subscribe(channel: string): Promise<void>;
    /** @param {string} channel One that it is not in is no error. */
    unsubscribe(channel: string): void;
    /**
     * Listen to `$message` (every frame), `$state`, `$error`, or to frames with this `type`.
     * @param {string} type @param {(value: any) => void} listener
     * @param {{element?: Element | null, signal?: AbortSignal}} [options] Ends when the element has left the document.
     * @returns {() => void} Ends it.
     */
    on(type: string, listener: (value: any) => void, { element, signal }?: {
        element?: Element | null;
        signal?: AbortSignal;
    }): () => void;
    /** For good. What waits is rejected. */
    close(reason?: string): void;
    /** Every frame, until the client is closed: `for await (const frame of client)`. */
    [Symbol.asyncIterator](): AsyncGenerator<any, void, unknown>;
    #private;
}
export type Found = {
    element: Element;
    key: string;
    config: Payload;
};
export type State = import("./types.d.ts").State;
export type StateChange = import("./types.d.ts").StateChange;
export type Payload = import("./types.d.ts").Payload;
export type Overflow = import("./types.d.ts").Overflow;
export type Token = import("./types.d.ts").Token;
export type TokenSource = import("./types.d.ts").TokenSource;
export type Options = import("./types.d.ts").Options;
export type Settings = import("./types.d.ts").Settings;
export type Status = import("./types.d.ts").Status;
export type Joined = import("./types.d.ts").Joined;
export type Hooks = import("./types.d.ts").Hooks;
export type Entry = import("./types.d.ts").Entry;
export type Inside = {
    settings: Settings;
    owner: Element | null;
    ended: boolean;
    leave: () => void;
};
