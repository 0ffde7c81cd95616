"""Everything that runs it: settings, Kafka, stores, logs, metrics, health, lag."""
