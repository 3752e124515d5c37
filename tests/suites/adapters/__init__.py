"""One adapter for each kind of suite. An adapter runs the code under test on a case and returns the verdict."""
