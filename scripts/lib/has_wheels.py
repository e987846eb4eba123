"""Whether this environment holds each `name==version` of the arguments, whole.

Reads metadata only and imports nothing of what it checks. A pin without a local version (2.13.0)
accepts any build of it (2.13.0+cpu). Shared libraries must have the size that the wheel records:
an installation that was cut short fails.
"""

import re
import sys
from importlib import metadata


def is_whole(name, version):
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    if version not in (found.version, found.version.split("+")[0]):
        return False
    if found.files is None:  # no RECORD: pip writes it last
        return False
    for file in found.files:
        if not re.search(r"\.so(\.\d+)*$|Config\.cmake$", file.name):
            continue
        path = file.locate()
        if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
            return False
    return True


if __name__ == "__main__":
    sys.exit(0 if all(is_whole(*pin.split("==")) for pin in sys.argv[1:]) else 1)
