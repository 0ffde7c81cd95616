"""Back-office side: the delivery engine, the adapter runner, audit and statistics."""
