"""Retention policies and what they keep, checked by hand, and held against borg by the oracle."""

from __future__ import annotations

from datetime import UTC, datetime

from backupspec.fleet import Retention

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)

# Each with a policy, a zone, and what is said of archives of these times (UTC).
CASES: dict[str, tuple[Retention, str, dict[str, str]]] = {
    "the newest of each day stays": (
        Retention(daily=2),
        "UTC",
        {
            "2024-01-03T12:00": "daily #1",
            "2024-01-03T02:00": "pruned",
            "2024-01-02T02:00": "daily #2",
            "2024-01-01T02:00": "pruned",
        },
    ),
    "days without an archive are not counted": (
        Retention(daily=2),
        "UTC",
        {"2024-01-03T02:00": "daily #1", "2022-05-01T02:00": "daily #2", "2022-04-30T02:00": "pruned"},
    ),
    "a day is one by the clocks of the zone": (
        Retention(daily=9),
        "Asia/Kolkata",
        {
            "2024-01-02T18:30": "daily #1",  # 00:00 of the third
            "2024-01-02T18:29:59": "daily #2",
            "2024-01-01T18:30": "daily[oldest] #3",
        },
    ),
    "a rule counts none of what an earlier rule keeps": (
        Retention(daily=1, weekly=2),
        "UTC",
        {
            "2024-01-10T02:00": "daily #1",
            "2024-01-09T02:00": "pruned",  # its week has its newest archive already, kept by another rule
            "2024-01-07T02:00": "weekly #1",
            "2024-01-06T02:00": "pruned",
            "2023-12-31T02:00": "weekly #2",
            "2023-12-24T02:00": "pruned",
        },
    ),
    "weeks begin on Monday and may span two years": (
        Retention(weekly=3),
        "UTC",
        {
            "2025-01-05T02:00": "weekly #1",
            "2025-01-01T02:00": "pruned",
            "2024-12-30T02:00": "pruned",
            "2024-12-29T02:00": "weekly #2",
            "2024-12-22T02:00": "weekly #3",
        },
    ),
    "a rule that is not full keeps the oldest archive": (
        Retention(daily=2, monthly=3, yearly=2),
        "UTC",
        {
            "2024-02-03T02:00": "daily #1",
            "2024-02-02T02:00": "daily #2",
            "2024-02-01T02:00": "pruned",
            "2024-01-31T02:00": "monthly #1",
            "2024-01-10T02:00": "pruned",
            "2024-01-09T02:00": "monthly[oldest] #2",  # and so nothing is left for the years to do
        },
    ),
    "each archive stays for one reason": (
        Retention(monthly=2, yearly=2),
        "UTC",
        {
            "2024-02-03T02:00": "monthly #1",
            "2024-01-31T02:00": "monthly #2",
            "2024-01-10T02:00": "pruned",
            "2023-12-31T02:00": "yearly #1",
            "2023-12-30T02:00": "yearly[oldest] #2",
        },
    ),
    "the rules count from the second to the year": (
        Retention(minutely=1, hourly=1, daily=1, weekly=1, monthly=1, yearly=1),
        "UTC",
        {
            "2024-03-09T12:30": "minutely #1",
            "2024-03-09T12:20": "pruned",
            "2024-03-09T11:20": "hourly #1",
            "2024-03-08T11:20": "daily #1",
            "2024-03-03T11:20": "weekly #1",
            "2024-02-25T11:20": "monthly #1",
            "2023-02-25T11:20": "yearly #1",
            "2022-02-25T11:20": "pruned",
        },
    ),
    "all that are younger stay, those of the future too, and no rule counts them": (
        Retention(within="2d", daily=1),
        "UTC",
        {
            "2024-03-10T12:01": "within #1",
            "2024-03-10T02:00": "within #2",
            "2024-03-08T12:00:01": "within #3",
            "2024-03-08T12:00": "pruned",  # two days old; the eighth has a newer one
            "2024-03-07T12:00": "daily #1",
        },
    ),
    "48 hours are two days though clocks changed": (
        Retention(within="48H"),
        "America/New_York",
        {"2024-03-08T12:00:01": "within #1", "2024-03-08T12:00": "pruned"},
    ),
    "a week has seven days": (
        Retention(within="1w"),
        "UTC",
        {"2024-03-03T12:00:01": "within #1", "2024-03-03T12:00": "pruned"},
    ),
    "a month has 31 days": (
        Retention(within="1m"),
        "UTC",
        {"2024-02-08T12:00:01": "within #1", "2024-02-08T12:00": "pruned"},
    ),
    "a year has 365 days": (
        Retention(within="1y"),
        "UTC",
        {"2023-03-11T12:00:01": "within #1", "2023-03-11T12:00": "pruned"},
    ),
    "the last are so many seconds": (
        Retention(last=2, daily=1),
        "UTC",
        {
            "2024-03-09T12:00:01": "last #1",
            "2024-03-09T12:00:00.500000": "last #2",
            "2024-03-09T12:00:00": "pruned",
            "2024-03-08T12:00": "daily #1",
        },
    ),
    "borg knows one of `last` and `secondly`, the one that is named later": (
        Retention(last=9, secondly=1),
        "UTC",
        {"2024-03-09T12:00": "secondly #1", "2024-03-08T12:00": "pruned", "2024-03-07T12:00": "pruned"},
    ),
    "a number below zero has no end, and no oldest": (
        Retention(daily=-1),
        "UTC",
        {"2024-03-09T12:00": "daily #1", "2024-03-08T12:00": "daily #2", "2024-03-08T11:00": "pruned"},
    ),
    "nothing is one of none": (
        Retention(hourly=0, daily=1),
        "UTC",
        {"2024-03-09T12:00": "daily #1", "2024-03-09T11:00": "pruned"},
    ),
    "the hour that clocks show twice is one": (
        Retention(hourly=3),
        "Europe/Berlin",
        {
            "2024-10-27T02:00": "hourly #1",  # 03:00
            "2024-10-27T01:59": "hourly #2",  # 02:59 again
            "2024-10-27T00:30": "pruned",  # 02:30
            "2024-10-26T23:59": "hourly #3",
        },
    ),
    "the minutes of that hour come twice": (
        Retention(minutely=9),
        "Europe/Berlin",
        {
            "2024-10-27T01:30:30": "minutely #1",  # 02:30:30 again
            "2024-10-27T00:31": "minutely #2",  # 02:31
            "2024-10-27T00:30:30": "minutely #3",  # 02:30:30
            "2024-10-27T00:30:10": "minutely[oldest] #4",
        },
    ),
    "but not if nothing lies between the two": (
        Retention(minutely=1, daily=1),
        "Europe/Berlin",
        {"2024-10-27T01:30": "minutely #1", "2024-10-27T00:30": "pruned", "2024-10-26T00:30": "daily #1"},
    ),
    "the hour that clocks leave out has no archives": (
        Retention(hourly=3),
        "Europe/Berlin",
        {
            "2024-03-31T01:00": "hourly #1",  # 03:00
            "2024-03-31T00:59": "hourly #2",  # 01:59
            "2024-03-30T23:59": "hourly #3",
        },
    ),
    "half an hour that comes twice": (
        Retention(hourly=2),
        "Australia/Lord_Howe",
        {
            "2024-04-06T15:29": "hourly #1",  # 01:59 again
            "2024-04-06T14:59": "pruned",  # 01:59
            "2024-04-06T13:59": "hourly #2",  # 00:59
        },
    ),
    "a day that comes twice, as clocks went back a minute after midnight": (
        Retention(daily=4),
        "America/St_Johns",
        {
            "2010-11-07T12:00": "daily #1",
            "2010-11-07T03:00": "daily #2",  # 23:30 of the sixth again
            "2010-11-07T02:30:30": "daily #3",  # 00:00:30 of the seventh
            "2010-11-07T02:29": "daily #4",  # 23:59 of the sixth
            "2010-11-05T12:00": "pruned",
        },
    ),
    "a day that never was": (
        Retention(daily=2),
        "Pacific/Apia",
        {
            "2011-12-30T10:00": "daily #1",  # 00:00 of the 31st
            "2011-12-30T09:59": "daily #2",  # 23:59 of the 29th
            "2011-12-29T09:59": "pruned",
        },
    ),
    "no archives": (Retention(daily=2), "UTC", {}),
}
