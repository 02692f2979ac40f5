"""Known flaws: feeds of advisories, the order of versions, and what of it is installed."""
