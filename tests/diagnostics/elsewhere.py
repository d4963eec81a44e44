"""Codes that no inventory shows, because they are about folders, trees and machines: which test shows each.

Such a test takes the fixture `pinned` and gives it what was said: the whole text of each of its codes is pinned beside
it (see pinned.py), and nothing else of it is. Which codes are listed and which are pinned is compared without running
them (see test_elsewhere.py).
"""

from __future__ import annotations

SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "tests/migrate/test_anomalies.py": {
        "test_a_killed_rotation_leaves_a_hole_and_whole_snapshots": ("BS662",),
        "test_what_stands_beyond_the_ladder_is_whole_and_said": ("BS663",),
        "test_with_link_dest_a_killed_rsync_is_known_by_a_time_that_rsnapshot_did_not_set": ("BS665",),
    },
    "tests/migrate/test_codes.py": {
        "test_a_plan_says_what_it_leaves_out_and_what_is_not_there": (
            "BS616",
            "BS617",
            "BS699",
        ),
        "test_a_run_says_who_holds_the_lock_and_what_is_wrong_with_a_repository": (
            "BS620",
            "BS621",
            "BS630",
            "BS633",
            "BS634",
        ),
        "test_an_unencrypted_repository_that_was_never_seen_is_not_written_to": ("BS632",),
        "test_a_file_that_cannot_be_read_leaves_its_archive_out": ("BS640",),
        "test_a_verification_says_what_is_missing_and_what_differs": (
            "BS641",
            "BS650",
            "BS651",
            "BS652",
        ),
        "test_without_borgs_package_a_command_says_what_to_install": ("BS660",),
    },
    "tests/migrate/test_commands.py": {
        "test_what_lies_in_no_job_is_not_left_out_silently_when_a_history_is_split": ("BS692",),
        "test_owners_that_history_and_job_store_differently_are_said_until_somebody_decides": ("BS698",),
        "test_a_doubt_is_settled_in_the_plan_and_only_for_the_hosts_it_is_about": ("BS612",),
        "test_nothing_is_written_for_a_tree_that_cannot_be_planned_as_a_whole": ("BS613",),
        "test_a_snapshot_that_rsnapshot_removed_after_it_was_verified_is_done": ("BS693",),
        "test_a_plan_about_another_tree_is_refused": ("BS694",),
        "test_a_plan_with_edits_is_not_overwritten": ("BS695",),
        "test_nothing_is_written_into_the_tree": ("BS696",),
        "test_a_plan_that_holds_less_of_a_host_than_the_tree_has_is_no_whole_one": ("BS697",),
    },
    "tests/migrate/test_configuration.py": {
        "test_a_configuration_without_root_ladder_or_sources_is_incomplete": ("BS602",),
        "test_what_rsnapshot_refuses_is_refused": (
            "BS601",
            "BS604",
        ),
        "test_a_command_in_backticks_is_not_run": ("BS603",),
        "test_an_option_that_spoils_the_tree_is_warned_about": ("BS605",),
        "test_what_rsync_left_out_is_said_once": ("BS606",),
        "test_a_logical_volume_is_read_from_its_mount": ("BS607",),
        "test_scripts_and_commands_are_said_and_never_run": ("BS608",),
        "test_single_files_and_folders_without_slash_are_found_where_rsync_put_them": ("BS614",),
        "test_a_host_without_a_line_is_imported_and_a_stray_file_is_said": ("BS615",),
    },
    "tests/migrate/test_faults.py": {
        "test_a_full_disk_under_borg_s_caches_costs_no_more_than_the_caches": ("BS631",),
    },
    "tests/migrate/test_import.py": {
        "test_other_braces_in_the_template_are_refused": ("BS618",),
    },
    "tests/migrate/test_inventory.py": {
        "test_several_jobs_without_a_mark_are_a_question": ("BS619",),
    },
    "tests/migrate/test_jobs.py": {
        "test_a_worker_that_dies_is_said_and_the_next_run_adds_the_rest": ("BS624",),
    },
    "tests/migrate/test_layouts_dated.py": {
        "test_a_pattern_that_is_none_is_refused_with_the_reason": ("BS667",),
        "test_names_are_local_time_and_need_a_zone": ("BS668",),
        "test_the_doubled_hour_is_settled_by_the_folder_or_the_first_is_taken": ("BS669",),
        "test_an_hour_that_was_skipped_is_said": ("BS670",),
        "test_a_pattern_without_a_host_needs_its_name": ("BS675",),
        "test_what_does_not_fit_is_skipped_by_name_with_the_reason": ("BS611",),
    },
    "tests/migrate/test_layouts_detect.py": {
        "test_names_that_are_no_utf_8_to_python_are_a_finding_before_anything_is_read": ("BS661",),
        "test_a_folder_that_cannot_be_read_is_said": ("BS610",),
        "test_another_program_is_refused_by_name_with_what_to_do": ("BS671",),
        "test_an_attic_repository_is_led_to_borgs_own_upgrade": ("BS672",),
        "test_what_nobody_knows_is_refused_with_what_was_looked_for": ("BS673",),
        "test_folders_with_dates_ask_for_a_pattern_and_give_it": ("BS674",),
    },
    "tests/migrate/test_outside.py": {
        "test_a_repository_in_the_tree_or_around_it_is_refused_before_anything_is_made": ("BS635",),
        "test_a_lockfile_in_the_tree_is_not_taken_and_that_is_said": ("BS622",),
    },
    "tests/migrate/test_plan_file.py": {
        "test_a_plan_that_is_not_there_or_is_a_folder_is_said": ("BS690",),
        "test_a_mistake_in_a_plan_is_shown_at_its_place": ("BS691",),
    },
    "tests/migrate/test_rehearse.py": {
        "test_without_rsnapshot_it_says_what_to_install": ("BS680",),
        "test_a_folder_that_is_not_fit_is_refused": ("BS681",),
        "test_an_rsnapshot_that_fails_ends_the_rehearsal_with_what_it_said": ("BS682",),
    },
    "tests/migrate/test_scan_logfile.py": {
        "test_a_logfile_that_cannot_be_read_is_said": ("BS664",),
    },
    "tests/migrate/test_scan_times.py": {
        "test_a_snapshot_without_a_time_and_a_time_without_a_snapshot_are_errors": ("BS666",),
    },
    "tests/migrate/test_survey.py": {
        "test_what_cannot_be_read_is_named_and_the_rest_is_counted": ("BS676",),
        "test_what_rsync_left_is_named": ("BS677",),
    },
    "tests/migrate/test_writer.py": {
        "test_a_snapshot_that_was_rotated_while_it_was_read_gives_no_archive": ("BS623",),
    },
    "tests/templates/test_render.py": {
        "test_two_files_at_one_path_are_a_finding_that_names_both": ("BS590",),
    },
    # The inventory of these would be 17 MB, or a million values; or there is none.
    "tests/unit/test_parse.py": {
        "test_more_values_than_anybody_writes_are_refused": ("BS013",),
    },
    "tests/unit/test_read.py": {
        "test_a_path_that_is_not_there_is_an_error_with_the_way_out": ("BS001",),
        "test_a_file_that_is_too_large_is_refused": ("BS003",),
    },
    "tests/unit/test_hypervisor_compare.py": {
        "test_the_whole_message_is_pinned": (
            "BS701",
            "BS702",
            "BS703",
            "BS704",
            "BS705",
            "BS706",
            "BS707",
            "BS708",
            "BS709",
            "BS710",
            "BS711",
        ),
    },
    "tests/unit/test_output_findings.py": {
        "test_the_whole_message_is_pinned": (
            "BS501",
            "BS502",
            "BS503",
            "BS504",
            "BS505",
            "BS506",
            "BS507",
            "BS508",
            "BS510",
            "BS511",
            "BS512",
        ),
    },
    "tests/unit/test_write.py": {
        "test_a_folder_that_may_not_be_read_is_left_as_it_is": ("BS509",),
        "test_an_old_tree_that_cannot_be_removed_is_told": ("BS513",),
    },
}
"""For each file with tests, for each test in it: the codes that it shows."""

PINNED_BY_THEMSELVES = frozenset(
    {"tests/unit/test_hypervisor_compare.py", "tests/unit/test_output_findings.py", "tests/unit/test_parse.py"}
)
"""Files whose tests have the whole texts in themselves, beside what provokes them."""


def codes_of(file: str, test: str) -> tuple[str, ...]:
    """Give the codes that a test shows, by the file's path from the root of the checkout."""
    return SHOWN.get(file, {}).get(test, ())
