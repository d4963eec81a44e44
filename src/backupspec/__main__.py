"""`python -m backupspec`."""

from backupspec.cli import main

if __name__ == "__main__":
    main()
