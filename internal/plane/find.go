package plane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Variable names the helper binary when it is elsewhere than expected.
const Variable = "KEDA_LOCALPLANE"

// binaryName is the helper binary's file name.
const binaryName = "localplane"

// ErrNotBuilt says that the helper binary is nowhere.
var ErrNotBuilt = errors.New("the local control plane is not built")

// Find returns the path of the helper binary: what KEDA_LOCALPLANE names, else
// the one beside the running executable, else the newest in the build cache.
func Find() (string, error) {
	executable, err := os.Executable()
	if err != nil {
		executable = "" // then there is nothing beside it
	}
	return find(os.Getenv, executable)
}

func find(env func(string) string, executable string) (string, error) {
	if named := env(Variable); named != "" {
		if !isProgram(named) {
			return "", fmt.Errorf("%s names %s, expected an executable file", Variable, named)
		}
		return named, nil
	}
	if executable != "" {
		if beside := filepath.Join(filepath.Dir(executable), binaryName); isProgram(beside) {
			return beside, nil
		}
	}
	cache := cacheDir(env)
	if newest := newestIn(cache); newest != "" {
		return newest, nil
	}
	return "", fmt.Errorf("%w: nothing beside the executable, in %s or named by %s; run \"make localplane\" (about 7 minutes, once)",
		ErrNotBuilt, cache, Variable)
}

// cacheDir is where hack/localplane.sh keeps what it built.
func cacheDir(env func(string) string) string {
	if dir := env("KEDA_CACHE"); dir != "" {
		return dir
	}
	if dir := env("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "keda")
	}
	return filepath.Join(env("HOME"), ".cache", "keda")
}

func newestIn(cache string) string {
	found, err := filepath.Glob(filepath.Join(cache, binaryName+"-*", binaryName))
	if err != nil {
		return "" // a cache path with pattern characters
	}
	newest, newestTime := "", time.Time{}
	for _, path := range found {
		info, err := os.Stat(path)
		if err == nil && isProgram(path) && info.ModTime().After(newestTime) {
			newest, newestTime = path, info.ModTime()
		}
	}
	return newest
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
