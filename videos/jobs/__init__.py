"""Background work: what runs in the queue, in the ticker, and in commands."""
