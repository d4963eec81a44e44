"""Codes of reading and parsing (BS0xx) and of shape (BS1xx)."""

from __future__ import annotations

from backupspec.codes import Entry

INPUT: tuple[Entry, ...] = (
    # --- BS0xx: reading and parsing -------------------------------------------------------------------------------
    Entry(
        "BS001",
        "file cannot be read",
        "A file that the command line or the inventory names is not there, or may not be read. Without it the "
        "compiler would work on half of the fleet, so it stops. Check the name and the permissions; names inside "
        "the inventory are relative to the folder of its root file.",
    ),
    Entry(
        "BS002",
        "not an inventory",
        "PATH must be a YAML file, or a folder with a file `inventory.yaml` in it; devices, pipes and other "
        "folders are refused. Name the file itself if it is called differently, or let `backupspec init` write a "
        "first inventory.",
    ),
    Entry(
        "BS003",
        "file too large",
        "A file of an inventory may have 16 MiB, a key file 64 KiB. More is nearly always the wrong file (an "
        "archive, a log), and would only make the compiler slow before it fails. Split a generated inventory into "
        "several files.",
    ),
    Entry(
        "BS004",
        "not UTF-8",
        "Inventories are UTF-8 text. In another encoding a path such as `/srv/Übergabe` would be compiled into "
        "other bytes than those on the disk, and the folder would silently be missing from the backup. Convert "
        "the file, for example with `iconv -f latin1 -t utf-8`.",
    ),
    Entry(
        "BS005",
        "byte order mark",
        "The file begins with a byte order mark, which some editors add. It is invisible and no tool that reads "
        "the compiled files expects it. Save the file as UTF-8 without a byte order mark.",
    ),
    Entry(
        "BS006",
        "invisible character",
        "Control characters, the Unicode line breaks (NEL, U+2028, U+2029) and the characters that change the "
        "direction of writing are refused everywhere. YAML readers end a comment at such a line break although "
        "editors and code reviews show one line, so that a comment could hide a setting. Delete the character.",
    ),
    Entry(
        "BS007",
        "empty file",
        "There is nothing in the file but white space and comments. An empty inventory backs up nothing, which is "
        "never meant. `backupspec init` writes one to start from; an included file without content can be "
        "deleted.",
    ),
    Entry(
        "BS010",
        "YAML syntax",
        "The file is not well-formed YAML. The place is where the reader could not go on; the mistake is often a "
        "line above it: a quote or bracket that is not closed, wrong indentation, or a value that must be quoted "
        "because it starts with a sign that means something in YAML (such as `*`, `&`, `!`, `@`, `%`).",
    ),
    Entry(
        "BS011",
        "tab in the indentation",
        "YAML is indented by spaces; a tab is not allowed there, because its width is different in each editor. "
        "Replace the tab by spaces (most editors have a setting for it).",
    ),
    Entry(
        "BS012",
        "nested too deeply",
        "The document is nested more than 64 levels deep. No inventory needs more than ten; such a file is broken "
        "or made to overload its reader.",
    ),
    Entry(
        "BS013",
        "too many values",
        "One file holds more than a million values. Split the inventory into several files under `include`.",
    ),
    Entry(
        "BS014",
        "alias expands too far",
        "Aliases (`*name`) are replaced by what their anchor (`&name`) holds. Here they refer to themselves, or "
        "add up to more than 50,000 values, which is the sign of a loop or of a file made to overload its reader. "
        "Share settings by a profile instead.",
    ),
    Entry(
        "BS015",
        "unknown anchor",
        "The alias `*name` refers to an anchor `&name` that is not defined earlier in the same file. A pattern "
        'that starts with a star must be quoted: `"*.iso"`.',
    ),
    Entry(
        "BS016",
        "anchor defined twice",
        "Two anchors in one file have the same name, so that an alias means something else depending on where it "
        "stands. Rename one of them.",
    ),
    Entry(
        "BS017",
        "tag",
        "YAML tags (`!name`, `!!type`) are refused: the type of each value follows from the schema. A value that "
        "starts with an exclamation mark must be quoted.",
    ),
    Entry(
        "BS018",
        "merge key",
        "The YAML merge key `<<` is refused, because it merges in an order of its own that no message could "
        "explain. Settings that hosts share belong in a profile: `profiles: {NAME: …}` and `profiles: [NAME]` on "
        "the host.",
    ),
    Entry(
        "BS019",
        "more than one document",
        "A file must hold one YAML document. What follows the second `---` would otherwise be ignored. Put it "
        "into a file of its own and name that under `include`.",
    ),
    Entry(
        "BS020",
        "YAML directive",
        "Lines such as `%YAML 1.1` or `%TAG` change how a file is read, and are refused. Delete the line.",
    ),
    Entry(
        "BS021",
        "key defined twice",
        "The same key stands twice in one mapping. Most YAML readers let the last one win in silence, so that one "
        "of two hosts or settings would vanish. Keep one of them, or merge both.",
    ),
    Entry(
        "BS022",
        "key is not text",
        "A key must be text (a whole number such as `2024` is read as text). A mapping, a list, an alias, `true`, "
        "`false`, `null` or nothing at all cannot be a key. Put it in quotes if it is a name.",
    ),
    Entry(
        "BS023",
        "number can be read in two ways",
        "YAML 1.1 reads `010` as eight, YAML 1.2 as ten, and the forms `0x10`, `0o10`, `1_000` and `+5` differ "
        "between readers as well. Write the number in plain decimal form, or put it in quotes if it is text.",
    ),
    Entry(
        "BS024",
        "number too large",
        "A whole number may have 18 digits. Put it in quotes if it is text, such as an identifier.",
    ),
    Entry(
        "BS025",
        "file is not a mapping",
        "A file of an inventory is a mapping (`key: value` lines) at its top level, such as `hosts:` with the "
        "hosts indented below it. A list or a single value cannot be merged with the other files.",
    ),
    Entry(
        "BS026",
        "not valid JSON",
        "The name of the file ends with `.json`, but other JSON readers would not accept it (comments, trailing "
        "commas and unquoted text are not JSON). Correct it, or name it `.yaml`.",
    ),
    Entry(
        "BS030",
        "include matches nothing",
        "A pattern under `include` matches no file. A typing mistake there would silently drop hosts from the "
        "backup, so it is an error. Patterns are relative to the folder of the root file; `*` stays within a "
        "folder, `**` crosses folders; hidden files and the output of an earlier compile are skipped.",
    ),
    Entry(
        "BS031",
        "file included twice",
        "Two patterns under `include` match the same file. Make one of them narrower.",
    ),
    Entry(
        "BS032",
        "include loop",
        "A pattern under `include` matches the root file itself. Keep the included files in a folder of their "
        "own, such as `hosts/*.yaml`.",
    ),
    Entry(
        "BS033",
        "path leaves the inventory's folder",
        "A file that the inventory names is outside its folder: an absolute path, a path with `..`, or a symbolic "
        "link that leads away. The inventory must be complete in its folder, so that it compiles to the same "
        "bytes everywhere. Copy the file into the folder.",
    ),
    Entry(
        "BS034",
        "malformed include",
        "`include` is a list of file patterns relative to the root file's folder, such as `include: "
        "[hosts/*.yaml]`. `**` must stand alone between slashes.",
    ),
    Entry(
        "BS035",
        "included file is neither YAML nor JSON",
        "A pattern under `include` matches a file that does not end with `.yaml`, `.yml` or `.json`. Make the "
        "pattern narrower: `hosts/*.yaml`.",
    ),
    Entry(
        "BS036",
        "belongs in the root file",
        "`fleet`, `include` and `defaults` concern the whole inventory and may stand in the root file only, so "
        "that whoever reads it knows them all. Move the key there.",
    ),
    Entry(
        "BS037",
        "same name in two files",
        "Two files of the inventory define the same name in the same section. Neither wins; rename or delete one. "
        "Of a host in two files (`backupspec libvirt discover` writes one by itself), put what both say under "
        "one of them.",
    ),
    Entry(
        "BS038",
        "section differs in kind",
        "A section is a mapping in one file and a list or a single value in another, so they cannot be merged. "
        "Write it in the same form in both.",
    ),
    Entry(
        "BS039",
        "unknown language version",
        "`version` names the version of the inventory language. This program knows version 1. Correct the number, "
        "or use a newer backupspec for a newer inventory.",
    ),
    # --- BS1xx: shape (JSON Schema) --------------------------------------------------------------------------------
    Entry(
        "BS100",
        "does not fit the schema",
        "The value does not have the form that the inventory's JSON Schema asks for. `backupspec schema` prints "
        "it; an editor that knows it completes keys and marks mistakes while you type.",
    ),
    Entry(
        "BS101",
        "unknown key",
        "There is no such setting at this place. It is an error and not ignored, because a misspelt `exclude` or "
        "`retention` would otherwise take effect without being noticed. Compare with the hint, or look into the "
        "reference.",
    ),
    Entry(
        "BS102",
        "wrong type",
        "The value is of another type than the setting needs: text, a whole number, true or false, a list or a "
        "mapping. Only `true` and `false` are truth values here (`yes`, `on` are text), and text that looks like "
        "a number needs quotes.",
    ),
    Entry(
        "BS103",
        "missing key",
        "A setting that has no default is missing. It is shown at the key of the mapping in which it has to be "
        "written.",
    ),
    Entry(
        "BS104",
        "unknown value",
        "Only some values are possible for this setting, and this is none of them. The hint lists them or names "
        "the nearest one.",
    ),
    Entry(
        "BS105",
        "malformed text",
        "The text does not have the form that this setting needs, such as an absolute path, a size (`200GB`) or a "
        "duration (`1h30m`).",
    ),
    Entry(
        "BS106",
        "number out of range",
        "The number is smaller or greater than this setting allows. The hint names the limits; the reference says why "
        "they are there.",
    ),
    Entry(
        "BS107",
        "too few or too many",
        "The list, mapping or text has fewer or more parts than allowed here; most often it is empty. A job "
        "without paths would run every night and save nothing.",
    ),
    Entry(
        "BS108",
        "repeated item",
        "The same item stands twice in a list in which each counts once. Delete one.",
    ),
    Entry(
        "BS109",
        "malformed name",
        "Names become parts of unit files, archives, folders and accounts. They consist of small letters, digits "
        "and, inside, `.` and `-`; the underscore separates names in archives and is not allowed in them.",
    ),
    Entry(
        "BS110",
        "control character in a value",
        "A value holds a line break, a tab or another control character, by an escape such as `\\n` or a block of "
        "lines. It would end up in unit files, scripts and key files, where a line break starts a new directive. "
        "Write the value on one line without it.",
    ),
    Entry(
        "BS111",
        "private key in the inventory",
        "A private key was pasted into the inventory. It is now in every copy of the repository: make a new key "
        "pair, and keep only the public half (the line that starts with `ssh-ed25519`) in the inventory.",
    ),
    Entry(
        "BS112",
        "settings exclude each other",
        "This setting is not possible together with another one beside it, or needs one that is missing.",
    ),
)
