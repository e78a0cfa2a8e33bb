package app

import "testing"

func TestReadOnlyMapping(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-04c00000 r-xp 00000000 fe:00 123   /keda":         true,
		"04c00000-08000000 r--p 04800000 fe:00 123   /keda":         true,
		"08000000-08100000 rw-p 07c00000 fe:00 123   /keda":         false,
		"00400000-04c00000 r-xp 00000000 fe:00 124   /lib/other.so": false,
		"c000000000-c004000000 rw-p 00000000 00:00 0":               false,
		"00400000-00400000 r-xp 00000000 fe:00 123   /keda":         false,
		"nonsense r-xp 00000000 fe:00 123 /keda":                    false,
	} {
		start, end, ok := readOnlyMapping(line, "/keda")
		if ok != want || ok && end-start < 0x1000 {
			t.Errorf("%s: %x to %x, %v; expected %v", line, start, end, ok, want)
		}
	}
}

// TestDropExecutable: the process goes on as before.
func TestDropExecutable(t *testing.T) {
	for range 3 {
		if err := dropExecutable(); err != nil {
			t.Fatal(err)
		}
		if err := forgetExecutable(); err != nil {
			t.Fatal(err)
		}
	}
}
