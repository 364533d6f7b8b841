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
// The types of this folder.
export type State = "connecting" | "open" | "reconnecting" | "closed";
export type Payload = {
	[key: string]: any;
};
export type Overflow = "reject" | "drop-oldest";
/** As the token view answers. */
export type Token = {
	token: string;
	user?: string;
	user_fallbacks?: string[];
	/** The channel of the user's inbox. */
	inbox?: string;
	/** By the setting `TOKEN_BY`. */
	token_by?: "query" | "subprotocol";
};
export type TokenSource = (context: {
	signal: AbortSignal;
}) => string | Token | null | Promise<string | Token | null>;
export type Options = {
	/** The gateway's `wss://` address. */
	url: string;
	/** Where a token is POSTed for; empty for a public endpoint. */
	tokenUrl?: string;
	/** Gets the token in place of `tokenUrl`. */
	token?: TokenSource;
	/** Sent along to `tokenUrl`. */
	headers?: Payload | (() => Payload | Promise<Payload>);
	/** Whether cookies go to a `tokenUrl` of another origin. */
	credentials?: RequestCredentials;
	/** The mark of the page's user; without one the first token decides. */
	user?: string;
	/** Whether the page of an anonymous visitor becomes the one of who logs in. */
	followLogin?: boolean;
	/** The primary channel; empty for the gateway's default. */
	channel?: string;
	/** How the token travels; without it as the token view says, else in the address. */
	tokenBy?: "query" | "subprotocol";
	/** The one that is echoed where the token is the other. */
	subprotocol?: string;
	/** Used where the cookie cannot be read. */
	csrfToken?: string | (() => string);
	/** Name of Django's CSRF cookie. */
	csrfCookie?: string;
	/** Name of the header that Django reads it from. */
	csrfHeader?: string;
	/** The view's `handler_selection_key`. */
	handlerKey?: string;
	/** One connection for all tabs of this browser. */
	share?: boolean;
	/** What tells apart connections that must not be shared, such as the user. */
	shareKey?: string;
	/** Messages kept while there is no connection. */
	queueLimit?: number;
	/** What happens to one message more. */
	overflow?: Overflow;
	/** How long `request` waits. */
	requestMs?: number;
	/** After so long without an answer a request is sent again. */
	resendMs?: number;
	/** The window of the first pause; it doubles. */
	backoffMs?: number;
	/** The longest window. */
	backoffMaxMs?: number;
	/** How long an attempt may take. */
	connectMs?: number;
	/** After so long a connection counts as good. */
	stableMs?: number;
	/** After so long without a frame the server is asked for one. */
	heartbeatMs?: number;
	/** How long it may take to answer. */
	pongMs?: number;
	/** After so long the next connection is opened. */
	rotateMs?: number;
	/** How long both are kept. */
	handoverMs?: number;
	/** Refusals in a row before the pace becomes slow. */
	maxRefusals?: number;
	/** The slow pace. */
	slowMs?: number;
	/** How long a message may come after its successor before it is asked for. */
	gapMs?: number;
	/** How long a member who went is still shown, because a page that is loaded again comes back. */
	presenceGraceMs?: number;
	/** Positions in channels at the time that the page was rendered. */
	positions?: {
		[channel: string]: Position;
	};
	/** The channel of the user's inbox; by default as the token view says. */
	inbox?: string;
	/** How many messages in it were not acknowledged at the time that the page was rendered. */
	unread?: number;
	/** How long after the listeners have returned a message is acknowledged. */
	ackMs?: number;
	/** Members of channels at the time that the page was rendered. */
	members?: {
		[channel: string]: MemberPage;
	};
	/** API Gateway's limit for one frame. */
	maxFrameBytes?: number;
	/** Closes the client. */
	signal?: AbortSignal;
};
export type Optional = "signal" | "token" | "user" | "tokenBy";
export type Settings = Required<Omit<Options, Optional>> & Pick<Options, Optional>;
/** After which message of a channel. */
export type Position = {
	epoch: string;
	offset: number;
};
/** Where a page wants to begin in a channel: after a position, with the last messages, after what is acknowledged, or now. */
export type Since = Position | {
	last: number;
} | {
	acked: true;
} | null;
/** How far the user is in a channel with acknowledgements. */
export type Progress = {
	epoch: string;
	acked: number;
	/** The latest message that `unread` counts. */
	last: number;
	unread: number;
};
/** Who is in a channel, and what the server's `presence_info` says of it. */
export type Member = {
	id: string;
	info: any;
};
export type MemberPage = {
	count: number;
	members: (Member & {
		v: number;
		left?: boolean;
	})[];
	more: boolean;
	/** Where the next page begins. */
	after?: number;
};
export type ChannelOptions = {
	/** Where to begin; by default the position that the page was rendered with, else now. */
	since?: Since;
	/** Gets the state, and the position that belongs to it: at the start, and when messages are lost. */
	load?: () => Position | {
		position: Position;
	} | Promise<Position | {
		position: Position;
	}>;
};
declare class Inbox {
	/**
	 * @param {Settings} settings
	 * @param {object} hooks
	 * @param {(type: string, listener: Listener, options?: ListenerOptions) => () => void} hooks.on
	 * @param {() => void} hooks.enter
	 * @param {(unread: number) => void} hooks.changed
	 * @param {(range: {limit?: number, before?: number}) => Promise<any>} hooks.history
	 * @param {(at: {epoch: string, offset: number}, answered: (answer: any) => void) => void} hooks.ask
	 */
	constructor(settings: Settings$1, hooks: {
		on: (type: string, listener: Listener, options?: ListenerOptions) => () => void;
		enter: () => void;
		changed: (unread: number) => void;
		history: (range: {
			limit?: number;
			before?: number;
		}) => Promise<any>;
		ask: (at: {
			epoch: string;
			offset: number;
		}, answered: (answer: any) => void) => void;
	});
	/** How many messages the user has not acknowledged. */
	get unread(): number;
	/**
	 * Listen to `message` (acknowledged a second after every listener has returned, a promise once it resolves; not if one
	 * throws or rejects), `unread` (the number, when it changes), `lost` or `error`.
	 * @param {"message" | "unread" | "lost" | "error"} type @param {Listener} listener @param {ListenerOptions} [options]
	 * @returns {() => void} Ends it.
	 */
	on(type: "message" | "unread" | "lost" | "error", listener: Listener, options?: ListenerOptions): () => void;
	/**
	 * Messages from before, acknowledged or not: as `history` of a channel.
	 * @param {{limit?: number, before?: number}} [range]
	 * @returns {Promise<{messages: {offset: number, data: any}[], more: boolean}>}
	 */
	history(range?: {
		limit?: number;
		before?: number;
	}): Promise<{
		messages: {
			offset: number;
			data: any;
		}[];
		more: boolean;
	}>;
	/** Acknowledge now: everything that there is, or up to this message. @param {number} [offset] */
	ack(offset?: number): void;
	/**
	 * @param {string} epoch @param {number} offset
	 * @param {unknown[]} results What the listeners have returned.
	 */
	shown(epoch: string, offset: number, results: unknown[]): void;
	/** How far the user is, as the server says: in any order, and perhaps twice. @param {Progress} progress */
	told({ epoch, acked, last, unread }: Progress$1): void;
	#private;
}
type Progress$1 = Progress;
type Settings$1 = Settings;
export type Listener = (value: any, delivery?: any) => unknown;
export type ListenerOptions = {
	element?: Element | null;
	signal?: AbortSignal;
};
declare class Presence {
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
	constructor(settings: Settings$2, rendered: MemberPage$1 | undefined, hooks: {
		on: (type: string, listener: Listener$1, options?: ListenerOptions$1) => () => void;
		changed: (state: {
			members: Member$1[];
			count: number;
		}) => void;
		failed: (error: any) => void;
		ask: (after: number, page: (page: MemberPage$1) => void, failed: (error: any) => void) => () => void;
		isIn: () => boolean;
	});
	/** Those who are shown now: all of a small channel. */
	get members(): {
		id: string;
		info: any;
	}[];
	/** How many there are, also in a channel that is too large to show them. */
	get count(): number;
	/**
	 * Listen to `change`: `{members, count}`, as soon as that is known and at each join and leave.
	 * @param {"change"} type @param {(state: {members: Member[], count: number}) => void} listener
	 * @param {ListenerOptions} [options] @returns {() => void} Ends it.
	 */
	on(type: "change", listener: (state: {
		members: Member$1[];
		count: number;
	}) => void, options?: ListenerOptions$1): () => void;
	/**
	 * A page of members, for a channel that is too large to show them all.
	 * @param {{after?: number}} [range] What the page before gave. @returns {Promise<MemberPage>}
	 */
	list({ after }?: {
		after?: number;
	}): Promise<MemberPage$1>;
	/** Ask for the list: the connection has joined, or something is missing. */
	refresh(): void;
	stop(): void;
	/** @param {{count: number, join?: (Member & {v: number})[], leave?: {id: string, v: number}[]}} change */
	pushed({ count, join, leave }: {
		count: number;
		join?: (Member$1 & {
			v: number;
		})[];
		leave?: {
			id: string;
			v: number;
		}[];
	}): void;
	#private;
}
type Member$1 = Member;
type MemberPage$1 = MemberPage;
type Settings$2 = Settings;
type Listener$1 = (value: any) => void;
type ListenerOptions$1 = {
	element?: Element | null;
	signal?: AbortSignal;
};
declare class Channel {
	/**
	 * @param {string} name
	 * @param {object} hooks
	 * @param {(type: string, listener: Listener, options?: ListenerOptions) => () => void} hooks.on
	 * @param {(range: {limit?: number, before?: number}) => Promise<any>} hooks.history
	 * @param {() => Position | null} hooks.position
	 * @param {() => void} hooks.leave
	 * @param {import("./presence.js").Presence} hooks.presence
	 */
	constructor(name: string, hooks: {
		on: (type: string, listener: Listener$2, options?: ListenerOptions$2) => () => void;
		history: (range: {
			limit?: number;
			before?: number;
		}) => Promise<any>;
		position: () => Position$1 | null;
		leave: () => void;
		presence: Presence;
	});
	name: string;
	/** Who is in the channel, if the server gives it presence. */
	presence: Presence;
	/** After which message the page is; null without a history, or as long as that is not known. */
	get position(): Position | null;
	/**
	 * Listen to `message` (each message of the channel, once and in order; the second argument is
	 * `{offset, recovered}`), `lost` (`{reason, from, to}`: messages that cannot be had any more) or `error`.
	 * @template [T=any] The message.
	 * @param {"message" | "lost" | "error"} type
	 * @param {(value: T, delivery?: any) => void} listener @param {ListenerOptions} [options]
	 * @returns {() => void} Ends it.
	 */
	on<T = any>(type: "message" | "lost" | "error", listener: (value: T, delivery?: any) => void, options?: ListenerOptions$2): () => void;
	/**
	 * Earlier messages, ascending: `{messages: [{offset, data}], more}`. Rejects with a `GatewayError`.
	 * @param {{limit?: number, before?: number}} [range] At most 100, and those before this offset.
	 * @returns {Promise<{messages: {offset: number, data: any}[], more: boolean}>}
	 */
	history(range?: {
		limit?: number;
		before?: number;
	}): Promise<{
		messages: {
			offset: number;
			data: any;
		}[];
		more: boolean;
	}>;
	/** Leave the channel. */
	leave(): void;
	#private;
}
type Position$1 = Position;
type Listener$2 = (value: any, delivery?: any) => void;
type ListenerOptions$2 = {
	element?: Element | null;
	signal?: AbortSignal;
};
/**
 * Open a connection.
 * @param {Options} options
 */
export function connect(options: Options$1): GatewayClient;
/** What a page talks to. Made by `connect()` or `fromPage()`. */
export class GatewayClient {
	/** @param {Options} options */
	constructor(options: Options$1);
	/** The inbox of the user, for a server that has one. @type {Inbox} */
	inbox: Inbox;
	/** Now. */
	get state(): State;
	/** Why it is `reconnecting` or `closed`: see management_docs/browser_client.md. */
	get reason(): string;
	/** Try again after the client gave up; nothing happens while it is at work. */
	connect(): void;
	/**
	 * Send and forget. Waits in the queue while the page is not connected. A cut can lose it.
	 * Throws `too_large`, `queue_full` or `closed`.
	 * @param {string} handler @param {Payload} [data]
	 */
	send(handler: string, data?: Payload$1): void;
	/**
	 * Send and wait for the answer: the handler's dict, or `null` for one that was handled before. Sent again
	 * after every cut until the answer comes. Rejects with a `GatewayError`.
	 * @template [T=any] What the handler returns.
	 * @param {string} handler @param {Payload} [data]
	 * @param {{timeout?: number, signal?: AbortSignal}} [options] `timeout` in milliseconds, `Infinity` for none.
	 * @returns {Promise<T>}
	 */
	request<T = any>(handler: string, data?: Payload$1, { timeout, signal }?: {
		timeout?: number;
		signal?: AbortSignal;
	}): Promise<T>;
	/**
	 * Join a further channel, now and after every reconnect; it is asked for until the server joins or refuses it.
	 * Rejects if the server refuses it. A later refusal is also reported by `$error`.
	 * @param {string} channel
	 * @returns {Promise<void>}
	 */
	subscribe(channel: string): Promise<void>;
	/** @param {string} channel Does nothing for a channel that was not joined. */
	unsubscribe(channel: string): void;
	/**
	 * Join a channel, as `subscribe` does, and listen to it alone. With a history, its messages come once and in order
	 * over every cut. Called again, it gives the same object.
	 * @param {string} name @param {ChannelOptions} [options]
	 */
	channel(name: string, { since, load }?: ChannelOptions$1): Channel;
	/**
	 * Listen to `$message` (every frame), `$state`, `$error`, or to frames with this `type`.
	 * @template [T=any] The frame.
	 * @param {string} type @param {(value: T, more?: any) => void} listener
	 * @param {{element?: Element | null, signal?: AbortSignal}} [options] Ends when the element has left the document.
	 * @returns {() => void} Ends it.
	 */
	on<T = any>(type: string, listener: (value: T, more?: any) => void, { element, signal }?: {
		element?: Element | null;
		signal?: AbortSignal;
	}): () => void;
	/** For good. What waits is rejected. */
	close(reason?: string): void;
	/** Every frame, until the client is closed: `for await (const frame of client)`. */
	[Symbol.asyncIterator](): AsyncGenerator<any, void, unknown>;
	#private;
}
type ChannelOptions$1 = ChannelOptions;
type Options$1 = Options;
type Payload$1 = Payload;
/**
 * The connection that `{% websocket_client %}` configured: one for every script of the tab, however often each runs.
 * @param {string} [elementId]
 * @param {Partial<Options>} [options] Win over the page's.
 * @returns {GatewayClient}
 */
export function fromPage(elementId?: string, options?: Partial<Options$2>): GatewayClient$1;
type Options$2 = Options;
type GatewayClient$1 = GatewayClient;

export {};
