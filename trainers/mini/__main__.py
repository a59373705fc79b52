"""`python -m trainers.mini`: trains, evaluates and shows the stand-in model."""

from functools import partial

from trainers.mini.command import main

if __name__ == "__main__":
    raise SystemExit(main(partial(print, flush=True)))
