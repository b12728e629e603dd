//go:build !linux

package paired

// warm does nothing here.
func warm() {}
