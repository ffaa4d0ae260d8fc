#!/usr/bin/env python3
"""What pykickstart makes of kickstarts: a JSON array [release, text] a line in, a JSON object a line out.

The object has `verdict` (clean, deprecated or error), `errors` and `warnings` (lists of [line, message]), and `fatal`:
whether the parser gave up there, so that the lines behind were not looked at. The text is base64.

Everything is done as ksvalidator does it, but for two things: a warning does not end the line it is about, and each
finding keeps its line.
"""
import base64
import json
import os
import re
import sys
import tempfile
import warnings

from pykickstart.errors import KickstartParseWarning
from pykickstart.parser import KickstartParser, preprocessKickstart
from pykickstart.handlers.control import commandMap
from pykickstart.version import returnClassForVersion, stringToVersion


class Parser(KickstartParser):
    """A parser that notes where it is when something is wrong."""

    def __init__(self, handler, found):
        KickstartParser.__init__(self, handler, followIncludes=False, errorsAreFatal=False)
        self.found = found

    def handleCommand(self, lineno, args):
        return self.noting(lineno, lambda: KickstartParser.handleCommand(self, lineno, args))

    def noting(self, lineno, function):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", KickstartParseWarning)
            try:
                return function()
            except Exception as error:
                self.found["errors"].append([lineno, str(error)])
            finally:
                for warning in caught:
                    if issubclass(warning.category, KickstartParseWarning):
                        self.found["warnings"].append([lineno, str(warning.message)])
        return None


def line_of(error):
    line = getattr(error, "lineno", None)
    if line is None:
        number = re.search(r"\bline (\d+)\b", str(error))
        line = int(number.group(1)) if number else 0
    return line


def remember_parsers(classes):
    """Lets each class build its option parser once: a handler is made for every text, and does little else."""
    for owner in classes:
        if "remembered" in owner.__dict__ or not hasattr(owner, "_getParser"):
            continue
        build = owner._getParser

        def get(self, build=build, owner=owner, made=[]):
            # A class that inherits adds to what it gets here, so it gets one of its own.
            if type(self) is not owner:
                return build(self)
            if not made:
                made.append(build(self))
            return made[0]

        owner._getParser = get
        owner.remembered = True


def handler_for(release, text):
    """A handler with the commands that the text may have: making all of them takes most of the time."""
    version = stringToVersion(release)
    words = set(re.findall(r"[a-z_]+", text.decode("utf-8", "replace")))
    known = commandMap[version]
    classes = {known[name] for name in words if name in known}
    # All names of one command belong together, and the sources know of each other.
    classes |= {known[name] for name in ("method", "url", "nfs", "cdrom", "harddrive", "liveimg", "hmc") if name in known}
    remember_parsers(classes)
    mapping = {name: owner for name, owner in known.items() if owner in classes}
    return returnClassForVersion(version)(mapping=mapping)


def judge(release, text):
    found = {"errors": [], "warnings": [], "fatal": False}
    handle, name = tempfile.mkstemp()
    copy = None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        parser = Parser(handler_for(release, text), found)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", KickstartParseWarning)
            try:
                copy = preprocessKickstart(name)
                if copy is None:
                    raise RuntimeError("Empty file")
                parser.readKickstart(copy)
                # Headers of sections go through _tryFunc, which prints what is wrong with them.
                if parser.errorsCount:
                    found["errors"].append([0, "a section"])
            except Exception as error:
                found["errors"].append([line_of(error), str(error)])
                found["fatal"] = True
        for warning in caught:
            if issubclass(warning.category, KickstartParseWarning):
                found["warnings"].append([0, str(warning.message)])
    finally:
        os.unlink(name)
        if copy:
            os.unlink(copy)
    found["verdict"] = "error" if found["errors"] else "deprecated" if found["warnings"] else "clean"
    return found


def main():
    # What the parser prints goes nowhere.
    out = os.fdopen(os.dup(1), "w")
    sys.stderr = open(os.devnull, "w")
    for line in sys.stdin:
        release, text = json.loads(line)
        out.write(json.dumps(judge(release, base64.b64decode(text))) + "\n")
    out.flush()


main()
