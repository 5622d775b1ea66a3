#!/usr/bin/env python3
"""Chooses the inputs that are kept of a fuzz target: by what each reached, which libFuzzer's merge wrote down, those that
add most come first, and the smaller of two that add as much. What they leave out a minute of fuzzing finds again.

  scripts/fuzz-keep.py MERGE_CONTROL_FILE MOST FOLDER     copies them into FOLDER, named by their contents
"""

import hashlib
import pathlib
import sys


def read(control):
    """The files, and what each reached."""
    lines = iter(pathlib.Path(control).read_text(encoding="utf-8").splitlines())
    count = int(next(lines))
    next(lines)
    files = [next(lines) for _ in range(count)]
    reached = {}
    for line in lines:
        kind, number, *features = line.split()
        if kind == "FT":
            reached[files[int(number)]] = set(features)
    return reached


def choose(reached, most):
    """Greedily."""
    left = {pathlib.Path(file).read_bytes(): features for file, features in reached.items()}
    while left and most > 0:
        best = max(left, key=lambda data: (len(left[data]), -len(data), data))
        new = left.pop(best)
        if not new:
            return
        yield best
        most -= 1
        left = {data: features - new for data, features in left.items()}


def main():
    control, most, folder = sys.argv[1:]
    for data in choose(read(control), int(most)):
        (pathlib.Path(folder) / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
