"""Code that all verbs share: layout, environment variables, input, output, progress and signals.
This package is internal."""
