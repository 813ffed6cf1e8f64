"""`make bench-gpu`: what a GPU could do at best, what the encoder makes of it, and what the whole service does."""
