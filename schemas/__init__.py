"""What travels: messages, events, topics, headers, errors and the catalogue of cities. Depends on nothing of ours."""
