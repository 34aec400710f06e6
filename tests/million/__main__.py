"""Fill a database: `python -m tests.million ROWS [SEED]`."""

import sys

from .fill import fill


def main() -> None:
    rows, seed = (int(word) for word in [*sys.argv[1:], "1"][:2])
    filled = fill(rows, seed)
    states = ", ".join(f"{state} {number}" for state, number in filled.states.most_common())
    print(f"{rows} generations in {filled.seconds:.1f} s: {states}")


if __name__ == "__main__":
    main()
