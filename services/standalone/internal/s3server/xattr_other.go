//go:build !linux

package s3server

// supportsXattrs is false: what attributes can hold differs too much between systems.
func supportsXattrs(string, string) bool { return false }
