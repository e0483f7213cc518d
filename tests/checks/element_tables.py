# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interface of an element as GObject knows it, as Markdown tables: properties, pads with theirs, signals. They stand in
docs/elements/ELEMENT.md between `<!-- generated: NAME -->` and `<!-- end -->`, for NAME in properties, pads, pad-properties and signals.
summary() has what these tables lack.
"""
import re

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
WORDS = {"gchararray": "string", "gboolean": "boolean", "guint": "uint", "gint": "int", "guint64": "uint64", "gint64": "int64",
         "gdouble": "double"}
MUTABLE = [(Gst.PARAM_MUTABLE_PLAYING, "always"), (Gst.PARAM_MUTABLE_PAUSED, "PAUSED"), (Gst.PARAM_MUTABLE_READY, "READY")]


def choices(spec):
    """{number: value} of an enum. PyGObject 3.50 has it at the Python class only, which reading the property makes."""
    return getattr(spec.enum_class, "__enum_values__", None) or spec.value_type.pytype.__enum_values__


def kind(spec):
    """The type, with the range or the choices."""
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return ", ".join(f"`{value.value_nick}`" for _, value in sorted(choices(spec).items()))
    word = WORDS.get(spec.value_type.name, spec.value_type.name)
    least, most = getattr(spec, "minimum", None), getattr(spec, "maximum", None)
    if most is None or most >= 2**63 - 1:
        return word
    return f"{word}, {least} to {most}" if isinstance(most, int) else f"{word}, {least:g} to {most:g}"


def default(spec):
    if not spec.flags & GObject.ParamFlags.WRITABLE:
        return ""
    value = getattr(spec, "default_value", None)  # an array has none
    if value is None:
        return "NULL"
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return f"`{choices(spec)[int(value)].value_nick}`"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def when(spec):
    """Up to which state it may be set."""
    if not spec.flags & GObject.ParamFlags.WRITABLE:
        return "read only"
    return next((word for flag, word in MUTABLE if spec.flags & flag), "NULL")


def table(heads, rows):
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def properties(owner, specs):
    own = sorted((spec for spec in specs if spec.owner_type == owner), key=lambda spec: spec.name)
    return table(("property", "type", "default", "set", "meaning"),
                 [(f"`{spec.name}`", kind(spec), default(spec), when(spec), spec.blurb) for spec in own])


def pads(templates):
    there = {Gst.PadPresence.ALWAYS: "always", Gst.PadPresence.REQUEST: "on request", Gst.PadPresence.SOMETIMES: "sometimes"}
    return table(("pad", "direction", "there", "caps"),
                 [(f"`{each.name_template}`", each.direction.value_nick, there[each.presence], each.caps.to_string()) for each in templates])


def signals(kinds):
    rows = []
    for each in kinds:
        for number in GObject.signal_list_ids(each):
            found = GObject.signal_query(number)
            rows.append((f"`{found.signal_name}`", ", ".join(kind.name for kind in found.param_types), found.return_type.name))
    return table(("signal", "arguments", "returns"), rows) if rows else "None of its own.\n"


def made(name):
    """An element of that name, its type, its properties."""
    element = Gst.ElementFactory.make(name)
    specs = element.list_properties()
    for spec in specs:
        if spec.flags & GObject.ParamFlags.READABLE:
            element.get_property(spec.name)
    return element, GObject.type_from_name(element.__gtype__.name), specs


def tables(name):
    """{NAME: Markdown} for the element of that name."""
    element, kind_of, specs = made(name)
    templates = element.get_pad_template_list()
    pad_types = [each.get_property("gtype") for each in templates]
    pad_types = [each for each in pad_types if each not in (GObject.TYPE_NONE, GObject.TYPE_INVALID, GObject.type_from_name("GstPad"))]
    interfaces = [each for each in kind_of.interfaces if each.name != "GstChildProxy"]
    found = {"properties": properties(kind_of, specs), "pads": pads(templates),
             "signals": signals([kind_of, *interfaces])}
    for each in pad_types:
        found["pad-properties"] = properties(each, GObject.list_properties(each))
    return found


def ancestors(kind_of):
    while kind_of != GObject.TYPE_INVALID:
        yield kind_of.name
        kind_of = kind_of.parent


def enums(specs):
    kinds = {spec.value_type.name: choices(spec) for spec in specs if spec.value_type.is_a(GObject.TYPE_ENUM)}
    for name, values in sorted(kinds.items()):
        yield name
        yield from (f"  {number} {value.value_nick}: {value.value_name}" for number, value in sorted(values.items()))


def preset(element, specs):
    """The properties of base classes to which the element gives another value than their default."""
    for spec in sorted(specs, key=lambda spec: spec.name):
        if spec.flags & GObject.ParamFlags.READABLE and spec.name != "name" and spec.value_type.name in WORDS:
            value = element.get_property(spec.name)
            if value != spec.default_value:
                yield f"  {spec.name}: {value}"


def fields(structure, within=""):
    """The fields of a structure and of those in it, with their types."""
    for number in range(structure.n_fields()):
        field = structure.nth_field_name(number)
        yield within + field, structure.get_field_type(field).name
        if isinstance(value := structure.get_value(field), Gst.Structure):
            yield from fields(value, f"{field}.")


def stats_problems(page, name):
    """Differences between the page's section about `stats` and the property; pages that refer to another one have no such section."""
    section = re.search(r"^## stats\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    if not section:
        return
    there = {field.rpartition(".")[2] for field, _ in fields(made(name)[0].get_property("stats"))}
    told = set(re.findall(r"`([a-z][\w-]*)`", section[1]))
    rows = {field for row in re.findall(r"^\| (`.*?) \|", section[1], re.M) for field in re.findall(r"`([\w-]+)`", row)}
    yield from (f"docs/elements/{name}.md, ## stats: nothing of {field}" for field in sorted(there - told))
    yield from (f"docs/elements/{name}.md, ## stats: {field} is no field of stats" for field in sorted(rows - there))


def summary(name):
    """Text for all that the tables lack: description, type, meaning of enum values, values of base classes' properties, fields of stats."""
    element, kind_of, specs = made(name)
    factory = element.get_factory()
    own = [spec for spec in specs if spec.owner_type == kind_of]
    lines = [f"{key}: {factory.get_metadata(key)}" for key in sorted(factory.get_metadata_keys()) if key != "doc-uri"]
    lines += [f"rank: {factory.get_rank()}", f"plugin: {factory.get_plugin_name()}, {factory.get_plugin().get_description()}"]
    lines += [f"type: {' < '.join(ancestors(kind_of))}", f"interfaces: {' '.join(sorted(each.name for each in kind_of.interfaces))}"]
    lines += [*enums(own), "base classes' properties", *preset(element, [spec for spec in specs if spec not in own])]
    if any(spec.name == "stats" for spec in own):
        lines += ["stats", *(f"  {field}: {kind}" for field, kind in fields(element.get_property("stats")))]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def filled(page, name):
    """The page with its tables as they are now, and what is wrong with its marks."""
    found = tables(name)
    problems = [f"nothing is generated as {block[1]}" for block in BLOCK.findall(page) if block[1] not in found]
    problems += [f"<!-- generated: {missing} --> … <!-- end --> is not there" for missing in found
                 if missing not in [block[1] for block in BLOCK.findall(page)]]
    return BLOCK.sub(lambda block: block[1] + found.get(block[2], "") + block[3], page), problems


Gst.init(None)
