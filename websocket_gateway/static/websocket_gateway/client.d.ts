/**
 * Open a connection.
 * @param {Options} options
 */
export function connect(options: Options): GatewayClient;
/**
 * The connection that `{% websocket_client %}` configured; the same one for every script of the page.
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
    get state(): State;
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
     * @returns {() => void} Ends it.
     */
    on(type: string, listener: (value: any) => void): () => void;
    /** For good. What waits is rejected. */
    close(reason?: string): void;
    /** Every frame, until the client is closed: `for await (const frame of client)`. */
    [Symbol.asyncIterator](): AsyncGenerator<any, void, unknown>;
    #private;
}
export type State = "connecting" | "open" | "reconnecting" | "closed";
export type StateChange = {
    state: State;
    reason: string;
};
export type Payload = {
    [key: string]: any;
};
export type Overflow = "reject" | "drop-oldest";
export type Options = {
    /**
     * The gateway's `wss://` address.
     */
    url: string;
    /**
     * Where a token is POSTed for; empty for a public endpoint.
     */
    tokenUrl?: string | undefined;
    /**
     * The primary channel; empty for the gateway's default.
     */
    channel?: string | undefined;
    /**
     * How the token travels.
     */
    tokenBy?: "query" | "subprotocol" | undefined;
    /**
     * The one that is echoed where the token is the other.
     */
    subprotocol?: string | undefined;
    /**
     * Used where the cookie cannot be read.
     */
    csrfToken?: string | (() => string) | undefined;
    /**
     * Name of Django's CSRF cookie.
     */
    csrfCookie?: string | undefined;
    /**
     * Name of the header that Django reads it from.
     */
    csrfHeader?: string | undefined;
    /**
     * The view's `handler_selection_key`.
     */
    handlerKey?: string | undefined;
    /**
     * One connection for all tabs of this browser.
     */
    share?: boolean | undefined;
    /**
     * What tells apart connections that must not be shared, such as the user.
     */
    shareKey?: string | undefined;
    /**
     * Messages kept while there is no connection.
     */
    queueLimit?: number | undefined;
    /**
     * What happens to one message more.
     */
    overflow?: Overflow | undefined;
    /**
     * How long `request` waits.
     */
    requestMs?: number | undefined;
    /**
     * After so long without an answer a request is sent again.
     */
    resendMs?: number | undefined;
    /**
     * The window of the first pause; it doubles.
     */
    backoffMs?: number | undefined;
    /**
     * The longest window.
     */
    backoffMaxMs?: number | undefined;
    /**
     * How long an attempt may take.
     */
    connectMs?: number | undefined;
    /**
     * After so long a connection counts as good.
     */
    stableMs?: number | undefined;
    /**
     * After so long without a frame the server is asked for one.
     */
    heartbeatMs?: number | undefined;
    /**
     * How long it may take to answer.
     */
    pongMs?: number | undefined;
    /**
     * After so long the next connection is opened.
     */
    rotateMs?: number | undefined;
    /**
     * How long both are kept.
     */
    handoverMs?: number | undefined;
    /**
     * Refused handshakes in a row before the client gives up.
     */
    maxRefusals?: number | undefined;
    /**
     * API Gateway's limit for one frame.
     */
    maxFrameBytes?: number | undefined;
    /**
     * Closes the client.
     */
    signal?: AbortSignal | undefined;
};
export type Settings = Required<Omit<Options, "signal">> & {
    signal?: AbortSignal;
};
export type Status = StateChange & {
    live: string[];
};
export type Joined = {
    channel: string;
    error: {
        code: string;
        message: string;
    } | null;
};
export type Hooks = {
    status: (status: Status) => void;
    frame: (value: any) => void;
    joined: (joined: Joined) => void;
};
/**
 * A frame on its way.
 */
export type Entry = {
    text: string;
    id: string | null;
    /**
     * Whether this error is the answer, or else it is sent again.
     */
    isFinal: (code: string) => boolean;
    resolve: (frame: any) => void;
    reject: (error: GatewayError) => void;
    /**
     * The one that it is about.
     */
    channel?: string | undefined;
    /**
     * Whether it joins that one, or else leaves it.
     */
    joins?: boolean | undefined;
    /**
     * The connection it went over; empty while it waits for one.
     */
    sentOn?: string | undefined;
    /**
     * It failed and waits for its next turn.
     */
    paused?: boolean | undefined;
    failures?: number | undefined;
    /**
     * When it is sent again.
     */
    timer?: any;
};
