"""Layout, environment variables, input, output, progress and signals, for all verbs. This package
is internal."""
