"""Settings and keys of the service, and a class that reads files again when they change. This
package is internal."""
