"""The watch tells people by itself: one message for each cause, by e-mail and to a webhook, when it begins, changes, lasts and ends."""
