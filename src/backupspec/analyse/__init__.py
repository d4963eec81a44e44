"""Analyse: Fleet -> Diagnostics. The rules of the whole fleet, one function each, named after what they hold."""

from __future__ import annotations

from backupspec.analyse import (
    database_values,
    databases,
    folders,
    machines,
    repositories,
    schedules,
    sources,
    virtual_machines,
)
from backupspec.diagnostic import Diagnostic
from backupspec.fleet import Fleet

RULES = (
    machines.accounts_differ,
    machines.accounts_are_free,
    machines.keys_are_public,
    machines.keys_are_there,
    machines.keys_differ,
    machines.addresses_limit_keys,
    machines.addresses_limit_units,
    machines.credentials_differ,
    folders.folders_are_their_own,
    repositories.locations_are_separate,
    repositories.repositories_lie_apart,
    repositories.key_lines_agree,
    repositories.shared_repositories_open,
    repositories.somebody_prunes,
    repositories.quotas_are_taken,
    repositories.quotas_fit,
    repositories.strangers_read_nothing,
    repositories.copies_leave_the_machine,
    repositories.copies_leave_the_site,
    schedules.jobs_have_a_time,
    schedules.calendars_keep_quiet,
    schedules.policies_mean_what_they_say,
    schedules.eternity_has_room,
    machines.somebody_hears_of_failures,
    sources.hosts_have_jobs,
    sources.jobs_have_paths,
    sources.exceptions_have_a_rule,
    sources.patterns_match,
    sources.paths_are_not_excluded,
    sources.repositories_are_outside,
    sources.storage_is_outside,
    sources.mount_points_matter,
    sources.roots_stay_on_one_disk,
    sources.paths_have_one_job,
    sources.deeper_jobs_go_everywhere,
    sources.paths_are_read_once,
    sources.paths_are_required_or_optional,
    sources.one_job_has_the_history,
    sources.something_is_saved,
    sources.space_has_a_snapshot,
    sources.hooks_can_fail,
    databases.live_data_is_dumped,
    databases.what_is_left_out_is_said,
    databases.drills_ask_what_is_dumped,
    databases.servers_are_reached_in_one_way,
    databases.stages_have_a_place,
    database_values.values_are_meant,
    database_values.users_are_known,
    database_values.databases_have_one_job,
    virtual_machines.every_disk_is_covered,
    virtual_machines.every_machine_has_a_disk_to_read,
    virtual_machines.guests_back_themselves_up,
    virtual_machines.guests_are_named,
    virtual_machines.a_guest_runs_in_one_machine,
    virtual_machines.a_machine_is_read_once,
    virtual_machines.what_is_left_out_is_not_backed_up,
    virtual_machines.snapshots_have_qcow2,
    virtual_machines.changes_are_noted_in_qcow2,
    virtual_machines.no_snapshots_beside_checkpoints,
    virtual_machines.snapshots_are_no_backup,
    virtual_machines.scratch_space_is_declared,
    virtual_machines.disks_are_read_while_the_guest_rests,
)


def analyse(fleet: Fleet) -> tuple[Diagnostic, ...]:
    """Give the findings of all rules in the order of their places; a profile's mistake once, not for each host."""
    once: dict[tuple[object, ...], Diagnostic] = {}
    for rule in RULES:
        for found in rule(fleet):
            once.setdefault((found.code, found.span, found.message), found)
    return tuple(sorted(once.values(), key=lambda found: (found.span, found.code, found.message)))
