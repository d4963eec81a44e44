"""Moves a site's rsnapshot history into Borg, and proves that nothing was lost.

The pipeline: `rsnapshot_conf` (what was configured, as `configuration`) → `layout` (whose folder is where) → `scan`
(what is there) → `plan` (what goes where) → `run`/`writer` (Borg's own package writes it) → `verify` (an independent
comparison).
"""
