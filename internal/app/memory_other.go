//go:build !linux

package app

// dropExecutable does nothing where the kernel has no /proc/self/maps.
func dropExecutable() error { return nil }

// forgetExecutable does nothing there either.
func forgetExecutable() error { return nil }
