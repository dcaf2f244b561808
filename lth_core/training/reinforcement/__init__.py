"""Training by reward: actors and critics of a whole stack of tickets, environments stepped for all of them."""
