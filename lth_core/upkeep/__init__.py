"""Looking after a workspace: its health, making the database again from the folders, deleting what is not needed."""
