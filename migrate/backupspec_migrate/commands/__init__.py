"""One module for each command below `backupspec migrate`, and what they share."""
