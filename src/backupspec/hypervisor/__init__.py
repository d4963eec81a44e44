"""Asks a hypervisor what it has: for an inventory that is to be written, and for one that is to be compared."""
