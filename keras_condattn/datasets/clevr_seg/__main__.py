"""`python -m keras_condattn.datasets.clevr_seg ROOT`: renders scenes."""

import argparse

from keras_condattn.datasets.clevr_seg import render


def main() -> None:
    """Reads the command line and renders."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_condattn.datasets.clevr_seg",
        description="Renders CLEVR-Seg scenes; a second run goes on where it stopped.",
    )
    parser.add_argument("root", help="the folder to fill")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--size", type=int, default=200, help="side in pixels")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--workers", type=int, help="processes; one a core if left out")
    parser.add_argument("--samples", type=int, default=6, help="rays a pixel and lamp")
    print(render(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
