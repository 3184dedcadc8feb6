"""Lists and stops the live engines of this host."""

import argparse

from manybaskets.serving import engine

HELP = "Lists the live vLLM engines of this host; `engines stop` stops them."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "action", nargs="?", choices=["list", "stop"], default="list", help="default: list"
    )


def run(options: argparse.Namespace) -> None:
    """Prints one line per engine, or stops all engines."""
    if options.action == "stop":
        print(f"{engine.stop_engines()} engines stopped")
        return
    engines = engine.live_engines()
    for state in engines:
        use = "in use" if state.in_use else f"idle {state.idle_seconds:.0f} s"
        devices, adapters = ",".join(state.devices), len(state.adapters)
        print(f"{state.base}  devices {devices}  {use}  {adapters} adapters  {state.socket}")
        if state.stalled:
            print(f"  {state.stalled}")
    if not engines:
        print("no engine is running")
