"""One module for each kind of suite: what its cases ask, put to the code under test."""
