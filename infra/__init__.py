"""What everything runs on: settings, Kafka, stores, logs, metrics, health, worker processes."""
