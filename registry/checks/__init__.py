"""One file per gate check; the table of them is CHECKS."""
