package paired

import "golang.org/x/sys/unix"

// warmBytes is more than any of the processes takes that are compared.
const warmBytes = 1 << 30

// warm takes memory in huge pages, as encoders do, and gives it back. The host of a virtual machine takes back what the
// machine does not use, and whoever touches it first pays for getting it again: up to 0.5 s of system time for an encoder
// that takes 500 MB (measured), which would be charged to the larger process of a pair, or to the first.
func warm() {
	b, err := unix.Mmap(-1, 0, warmBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return // a machine with so little memory is measured cold
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // where there are none, small ones are as well warm
	for i := 0; i < len(b); i += unix.Getpagesize() {
		b[i] = 1
	}
	_ = unix.Munmap(b)
}
