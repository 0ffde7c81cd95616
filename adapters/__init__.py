"""What a city writes: adapters to its back offices, and twins that stand in for them in demo and tests. Never sees Kafka."""
