// The browser's side of django-websocket-gateway, wire format 1, without dependencies.
// Described in management_docs/browser_client.md. `make client` builds the one file that is served.

export { GatewayClient, connect } from "./client.js";
export { GatewayError } from "./errors.js";
export { fromPage } from "./page.js";
