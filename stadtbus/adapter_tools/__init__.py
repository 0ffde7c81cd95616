"""What the commands `stadtbus adapter …` do for those who write adapters; a module per command."""
