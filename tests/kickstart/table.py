#!/usr/bin/env python3
"""Prints src/answer/rules.tsv: which commands and options each release knows, asked of pykickstart.

    PYTHON tests/kickstart/table.py >src/answer/rules.tsv

PYTHON is the one of the virtual environment that demo/setup.sh makes. Only names, kinds of values and releases are
taken; what is said about them is in src/answer/.
"""
import warnings

from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

RELEASES = ["RHEL5", "RHEL6", "RHEL7", "RHEL8", "RHEL9", "RHEL10"] + [f"F{n}" for n in range(40, 47)]

# Commands whose words are read by no option parser.
RAW = {"auth", "authconfig", "authselect", "deviceprobe", "realm", "method"}
# Commands that take words which their option parser does not name; how many is in src/answer/check/.
LOOSE = {"btrfs", "device", "key", "langsupport", "mouse", "zerombr"}
# What is warned about by hand, not by a mark on the option.
WARNED = {
    ("auth", ""): {"RHEL8", "RHEL9"},
    ("authconfig", ""): {"RHEL8", "RHEL9"},
    ("timezone", "--isUtc"): {"RHEL9"},
    ("timezone", "--ntpservers"): {"RHEL9"},
    ("timezone", "--nontp"): {"RHEL9"},
    ("%packages", "--instLangs"): {"RHEL9"},
    ("%packages", "--excludeWeakdeps"): {"RHEL9"},
    ("%traceback", ""): set(RELEASES[4:]),
}
# Values that a function of the option checks: the attribute of the command that lists them.
LISTED = {"_type_cb": "typeMap", "_level_cb": "levelMap", "level_cb": "levelMap", "_when_cb": "whenMap"}

rows = {}
order = []


def put(column, command, word, kind, mark):
    key = (command, word, kind)
    if key not in rows:
        rows[key] = ["."] * len(RELEASES)
        order.append(key)
    if RELEASES[column] in WARNED.get((command, word.split("|")[-1]), ()) and mark == "o":
        mark = "d"
    rows[key][column] = mark


def kind_of(action, owner):
    name = type(action).__name__
    if name in ("_StoreTrueAction", "_StoreFalseAction", "_StoreConstAction", "_AppendConstAction",
                "ExtendConstAction"):
        return "flag"
    if action.choices:
        return "one:" + ",".join(action.choices)
    function = getattr(action.type, "__name__", "") if action.type else ""
    if function in LISTED:
        return "case:" + ",".join(sorted(getattr(owner, LISTED[function])))
    if action.nargs == "?":
        return "text?"
    return {"int": "int", "ksboolean": "bool"}.get(function, "text")


def put_options(column, command, parser, owner):
    least, most = 0, 0
    for action in parser._actions:
        if action.option_strings:
            mark = "R" if action.required else "d" if action.deprecated else "o"
            put(column, command, "|".join(action.option_strings), kind_of(action, owner), mark)
        else:
            least += action.nargs in (None, 1)
            most += {"?": 1, None: 1, 1: 1}.get(action.nargs, 99)
    if command in LOOSE:
        most = 99
    put(column, command, "", f"words:{least}-{most if most < 99 else ''}", "o")


warnings.simplefilter("ignore")
for column, release in enumerate(RELEASES):
    handler = makeVersion(release)
    first = {}
    for command, owner in sorted(handler.commands.items()):
        bases = {base.__name__ for base in type(owner).__mro__}
        mark = "x" if "RemovedCommand" in bases else "d" if "DeprecatedCommand" in bases else "o"
        # `method` is a stand-in for others inside the parser; as a command it has no reader.
        if command == "method" and mark == "o":
            continue
        alias = first.setdefault(id(owner), command)
        kind = f"same:{alias}" if alias != command else "command"
        put(column, command, "", kind, mark)
        if mark == "o" and alias == command:
            if command in RAW:
                put(column, command, "", "words:raw", "o")
            elif not hasattr(owner, "op"):
                put(column, command, "", "words:0-0", "o")
            else:
                put_options(column, command, owner.op, owner)
    for name, section in sorted(KickstartParser(handler)._sections.items()):
        put(column, name, "", "command", "o")
        if hasattr(section, "_getParser"):
            put_options(column, name, section._getParser(), section)
        else:
            put(column, name, "", "words:raw", "o")

print("#command\toption\tkind\t" + " ".join(name.replace("RHEL", "EL") for name in RELEASES))
for key in sorted(order):
    print(*key, "".join(rows[key]), sep="\t")
