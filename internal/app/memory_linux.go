package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dropExecutable unmaps the pages of the executable, of which more than half
// were touched only while packages initialised themselves. What is still used
// comes back from the page cache when it is touched; the rest is the first
// thing that the kernel takes when memory is short. Only read-only mappings of
// the file are touched, whose content can't differ from it.
func dropExecutable() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		start, end, ok := readOnlyMapping(lines.Text(), self)
		if !ok {
			continue
		}
		// Where the file is cached in large pages, one function that is used maps
		// as much as 2 MiB, and reading ahead of it makes such pages. Neither is
		// needed to work, so what a kernel refuses of this does not matter.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_NOHUGEPAGE)
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_RANDOM)
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("unmapping pages of the executable: %w", errno)
		}
	}
	return nil
}

// forgetExecutable has the kernel forget what it has cached of the executable,
// after it was unmapped: about two thirds were read by chance, next to what a
// start needs. What is used is read again, page by page, and stays.
func forgetExecutable() error {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// readOnlyMapping reads a line of /proc/<pid>/maps, proc_pid_maps(5): address,
// permissions, offset, device, inode, path.
func readOnlyMapping(line, path string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != path || fields[1] != "r-xp" && fields[1] != "r--p" {
		return 0, 0, false
	}
	if _, err := fmt.Sscanf(fields[0], "%x-%x", &start, &end); err != nil || end <= start {
		return 0, 0, false
	}
	return start, end, true
}
