"""Pages and boxes: what stands where, and which keys do what. Commands go to the feed, never to the store."""
