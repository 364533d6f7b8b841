pytest_plugins = ["websocket_gateway.testing.fixtures"]
