"""Kafka clients, admin and the local broker: the only code that speaks to Kafka."""
