// The types of this folder.

export type State = "connecting" | "open" | "reconnecting" | "closed";
export type StateChange = {
    state: State;
    reason: string;
};
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
/** What the server says of one channel. */
export type Answer = Position & {
    messages?: {
        offset: number;
        data: any;
    }[];
    more?: boolean;
    lost?: string;
};
/** About a message of a channel: its place, if the channel has a history, and whether it was missed at first. */
export type Delivery = {
    offset?: number;
    recovered: boolean;
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
export type Loss = {
    reason: string;
    /** Null where the page had no position: it began after what the user has acknowledged. */
    from: Position | null;
    to: Position;
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
export type Status = StateChange & {
    live: string[];
    inbox?: string;
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
    /** Where the page is in a channel. */
    since?: (channel: string) => Since;
    /** An answer to `subscribe` about a channel with a history, and the position that was asked for. */
    answer: (channel: string, answer: Answer, since: Since) => void;
    /** A frame that finds what was lost, in place of a ping. */
    heartbeat?: () => object | null;
};
/** A frame on its way. */
export type Entry = {
    text: string;
    id: string | null;
    /** Whether this error is the answer, or else it is sent again. */
    isFinal: (code: string) => boolean;
    resolve: (frame: any) => void;
    reject: (error: import("./errors.js").GatewayError) => void;
    /** The one that it is about. */
    channel?: string;
    /** Whether it joins that one, or else leaves it. */
    joins?: boolean;
    /** The position that it was last sent with. */
    since?: Since;
    /** The server knows only the form for one channel. */
    single?: boolean;
    /** Whether its opposite is wanted by now. */
    isOver?: () => boolean;
    /** A channel was left since it was sent. */
    freed?: boolean;
    /** The connection it went over; empty while it waits for one. */
    sentOn?: string;
    /** It failed and waits for its next turn. */
    paused?: boolean;
    failures?: number;
    /** When it is sent again. */
    timer?: any;
};
