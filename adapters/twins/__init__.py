"""Twins: simulated back offices that speak the real protocol over real sockets, for demo and tests. Never for production."""
