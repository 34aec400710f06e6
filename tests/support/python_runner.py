"""Run Python inside the product's Django many times after one start, for `Installation.python`.

Standard input brings one JSON string of code a line, standard output one JSON object for each. The code runs in a child
that is forked for it, so that no connection, cache or import of one call is met by the next.
"""

import contextlib
import io
import json
import os
import sys
import traceback

import django


def main() -> None:
    django.setup()
    import videos.models  # noqa: F401  (what nearly all code begins with)

    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(code: str) -> dict:
    """Run the code in a child process; return its output and traceback."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        with open(write, "w") as answer:
            json.dump(printed_by(code), answer)
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    return (
        json.loads(said)
        if said
        else {"output": "", "error": f"The code ended its process: {os.waitstatus_to_exitcode(status)}"}
    )


def printed_by(code: str) -> dict:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
    return {"output": printed.getvalue(), "error": error}


if __name__ == "__main__":
    main()
