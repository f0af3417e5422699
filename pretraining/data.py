"""The folder of research data that both trainings begin from."""

import argparse
from pathlib import Path


def require(parser: argparse.ArgumentParser, data: Path, *names: str) -> None:
    """End with a sentence where a file or folder of the data is missing."""
    for name in names:
        if not (data / name).exists():
            parser.error(f"{data / name} is not there; name the folder of the data with --data")
