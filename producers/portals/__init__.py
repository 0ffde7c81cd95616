"""The pages of portals: what each may do, and the hashes of its tokens; a folder that the gateway follows while it runs (docs/portals.md)."""
