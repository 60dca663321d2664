"""Networks, and the raw-in raw-out module around them. Knows torch only."""
