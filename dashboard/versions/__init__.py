"""What the page Models shows: versions, how they compare, what the gate said, and their moves."""
