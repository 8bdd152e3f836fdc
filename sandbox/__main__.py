"""`python -m sandbox`: the local Voice API in the foreground."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from sandbox.profile import Profile, ProfileError, load
from sandbox.serving import SandboxServer
from sandbox.settings import SandboxSettings, SettingError, changed


def main() -> int:
    """Serve until SIGTERM or SIGINT; print one JSON line when listening. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any)")
    parser.add_argument("--webphone-port", type=int, default=0, help="port of the webphone's pages")
    parser.add_argument("--seed", type=int, default=0, help="what happens, happens again")
    parser.add_argument("--speed", type=float, default=1.0, help="60: a call of 45 s takes 0.75 s")
    parser.add_argument("--token", default=SandboxSettings.token, help="access token to accept")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, as often as needed",
    )
    parser.add_argument("--profile", type=Path, help="behaviour profile, YAML")
    options = parser.parse_args()
    if options.speed <= 0:
        parser.error("--speed must be above 0")
    try:
        profile = load(options.profile) if options.profile else Profile()
        settings = SandboxSettings(
            token=options.token, seed=options.seed, speed=options.speed, profile=profile
        )
        settings = changed(settings, options.set)
    except (ProfileError, SettingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = SandboxServer(settings, port=options.port, webphone_port=options.webphone_port)
    try:
        server.start()
    except OSError as error:
        ports = f"{options.port} and {options.webphone_port}"
        sys.stderr.write(f"cannot listen on ports {ports} (0: any): {error.strerror}\n")
        return 1
    listening = {
        "url": server.url,
        "token": server.token,
        "webphone_url": server.webphone_url,
    }
    sys.stdout.write(json.dumps(listening) + "\n")
    sys.stdout.flush()
    ended.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
