"""DER: a strict reader, a writer for the emulator, and object identifiers. All modules of this
package are internal."""
