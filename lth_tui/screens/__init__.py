"""Pages and dialogs: layout and keys. Commands go to the feed, never to the store."""
