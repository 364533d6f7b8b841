"""URLconfs with the token view, each beside other WebSocket views."""
