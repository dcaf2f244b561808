"""Pages and boxes: what stands where, and which keys do what. Wishes go to the feed, never to the store."""
