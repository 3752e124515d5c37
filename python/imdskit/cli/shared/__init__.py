"""Layout, input, output, progress and signals, for all verbs. Internal."""
