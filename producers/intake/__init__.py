"""Intake: the checks between the call of a portal and the outbox."""
