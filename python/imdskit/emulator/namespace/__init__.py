"""Execution of a command in separate Linux namespaces, in which the emulator has the service's real
address. Root is not needed.

Three processes are involved besides the command: the caller, which contains the emulator; a child
that creates the namespaces; and the first process of the PID namespace, which prepares the
namespaces and starts the command. If one of these processes dies, the kernel kills those that come
later in this list, and the command.

This package manages namespaces, addresses and processes. It contains nothing specific to metadata.
"""
