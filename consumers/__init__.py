"""What reads the bus: the engine, the delivery to back offices, the desk of dead letters, audit, statistics and the watch."""
