"""The examination of a message: what it is, and everything that can be wrong with it."""
