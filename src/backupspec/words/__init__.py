"""Typed values for templates: each arrives in the real tool exactly as written, or cannot be made.

Each type stands for one kind of place in one language. `text` (or the fields) is what is meant, `str()` is the exact
text for that place, and the constructor raises `Unrepresentable` where the language has no way to say it.
`backupspec.render` decides which of them a language accepts.
"""

from backupspec.words.apparmor import AppArmorFolder
from backupspec.words.borg import ArchiveGlob, ArchiveName, ArchiveStart, BorgPattern, BorgUrl
from backupspec.words.html import HtmlAttribute, HtmlText, HtmlTokens, SvgNumber, SvgPath
from backupspec.words.markdown import MarkdownCode, MarkdownCommand, MarkdownLine, MarkdownText
from backupspec.words.plain import Comment, ConfigToken, Unrepresentable
from backupspec.words.shell import ShellPattern, ShellWord
from backupspec.words.sql import MySqlAccount, SqlName, SqlTexts
from backupspec.words.ssh import KeyOption, KnownHost, PublicKey, SshConfigValue
from backupspec.words.systemd import (
    ExecProgram,
    ExecWord,
    SysusersField,
    TmpfilesField,
    UnitCalendar,
    UnitCredential,
    UnitListPath,
    UnitPath,
    UnitText,
    UnitWord,
)
from backupspec.words.xml import XmlAttribute, XmlComment, XmlText

__all__ = [
    "AppArmorFolder",
    "ArchiveGlob",
    "ArchiveName",
    "ArchiveStart",
    "BorgPattern",
    "BorgUrl",
    "Comment",
    "ConfigToken",
    "ExecProgram",
    "ExecWord",
    "HtmlAttribute",
    "HtmlText",
    "HtmlTokens",
    "KeyOption",
    "KnownHost",
    "MarkdownCode",
    "MarkdownCommand",
    "MarkdownLine",
    "MarkdownText",
    "MySqlAccount",
    "PublicKey",
    "ShellPattern",
    "ShellWord",
    "SqlName",
    "SqlTexts",
    "SshConfigValue",
    "SvgNumber",
    "SvgPath",
    "SysusersField",
    "TmpfilesField",
    "UnitCalendar",
    "UnitCredential",
    "UnitListPath",
    "UnitPath",
    "UnitText",
    "UnitWord",
    "Unrepresentable",
    "XmlAttribute",
    "XmlComment",
    "XmlText",
]
