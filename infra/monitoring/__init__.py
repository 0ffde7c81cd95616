"""Files for the programs that watch the bus from outside: alarm rules, an example for Alertmanager, what to scrape, and boards (docs/monitoring.md)."""
