"""How processes serve HTTP: limits before anybody has logged in, strict reading, TLS (docs/decisions/0021)."""
