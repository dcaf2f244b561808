"""Maintenance of a workspace: checks, rebuilding the database from the folders, deleting unneeded files."""
