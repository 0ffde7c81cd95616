"""The portals' side: gateway, intake, outbox and relay, what became of submissions, synthetic portals."""
