"""``make bench``: the product's speed, measured through its real processes and held to limits."""
