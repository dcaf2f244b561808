"""English-German sentence pairs from a small grammar of our own: a corpus that needs no download."""
