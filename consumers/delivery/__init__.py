"""Delivery to one back office: what the engine does with a record, step by step."""
