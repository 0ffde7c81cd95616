"""The outbox, and the relay that publishes what waits in it."""
