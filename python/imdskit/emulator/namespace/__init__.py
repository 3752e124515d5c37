"""A command in namespaces of its own, in which the emulator has the service's true address. Linux only, without root.

Three processes stand between `imdskit run` and the command: the caller, in which the emulator stays; a child that creates the
namespaces; and the first process of the PID namespace, which prepares the namespaces and starts the command. If one of them dies, the
kernel kills all below it.

What belongs here: namespaces, addresses and processes. This package knows nothing of metadata.
"""
