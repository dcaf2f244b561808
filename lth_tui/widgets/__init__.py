"""What draws itself into cells and takes keys. A widget is given what it shows, and asks no store."""
