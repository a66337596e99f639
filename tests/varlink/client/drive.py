"""One call over the control socket with the varlink package: told by a JSON document on standard
input, answered with one on standard output. Parameters and replies go through the package's own
reading of the interface description, so that a type that is described wrongly fails."""

import json
import os
import sys

import varlink


def drive(job):
    uid = job.get("uid")
    if uid is not None:
        # The socket's peer is whom the process is at the time of the connect.
        os.setgroups([])
        os.setegid(uid)
        os.seteuid(uid)
    with varlink.Client("unix:" + job["socket"]) as client:
        interface, method = job["method"].rsplit(".", 1)
        with client.open(interface) as connection:
            call = getattr(connection, method)
            count = job["replies"]
            if count == 1:
                return [call(**job["parameters"])]
            stream = call(_more=True, **job["parameters"])
            return [next(stream) for _ in range(count)]


def main():
    job = json.load(sys.stdin)
    try:
        result = {"replies": drive(job)}
    except varlink.VarlinkError as error:
        result = {"error": error.error(), "parameters": error.parameters()}
    json.dump(result, sys.stdout)


main()
