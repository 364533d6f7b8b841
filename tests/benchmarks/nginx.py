"""A TLS sink for benchmarks: nginx on a core of its own, answering 200 to every post, at once or after 20 ms.

Needs Debian's `nginx-light` and, for the delay, `libnginx-mod-http-echo`.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
_CONFIG = """
load_module {module};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 ''; }}
        location ~ ^/(_api/)?slow/ {{ echo_read_request_body; echo_sleep 0.02; echo_exec @answer; }}
        location @answer {{ return 200 ''; }}
    }}
}}
"""


@contextmanager
def running_nginx(folder: Path, *, core: int) -> Iterator[str]:
    """The URL of a running nginx, with its certificate at `folder/cert.pem`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -subj /CN=localhost -addext"
        " subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:*.execute-api.eu-central-1.amazonaws.com"
        f" -keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    subprocess.run(made.split(), check=True, capture_output=True)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(module=_MODULE, folder=folder, port=port))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    nginx = subprocess.Popen(["taskset", "-c", str(core), program, "-c", str(config)])
    try:
        _wait_for(port)
        yield f"https://127.0.0.1:{port}"
    finally:
        nginx.terminate()
        nginx.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
