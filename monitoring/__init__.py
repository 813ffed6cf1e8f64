"""What watches the system; the programs among it."""
