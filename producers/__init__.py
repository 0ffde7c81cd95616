"""Portal side: gateway, intake, outbox and relay, status, synthetic portals."""
