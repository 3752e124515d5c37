"""What the verbs share: output, inputs and progress. Internal."""
