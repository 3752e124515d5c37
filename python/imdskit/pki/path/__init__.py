"""Building and validation of certification paths (RFC 5280 section 6), within a work budget. This
package is internal."""
