package program

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// minBinary is the size of the smallest program of a package that is worth a
// look: one that can speak TLS.
const minBinary = 1 << 20

// packaged returns the programs in the npm package that the script at path
// belongs to. Packages of native programs have a script that starts the one for
// this machine, which is in the package or in one of its optional dependencies.
func packaged(path string) []Step {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	dir := filepath.Dir(real)
	for range 4 {
		text, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err == nil {
			return programs(dir, text, path)
		}
		if filepath.Base(dir) == "node_modules" {
			break
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// programs returns the programs of the package in dir: those with the name of
// the command at path, else all.
func programs(dir string, text []byte, path string) (steps []Step) {
	var p struct{ Dependencies, OptionalDependencies map[string]string }
	if json.Unmarshal(text, &p) != nil {
		return nil
	}
	folders := []string{dir}
	for _, deps := range []map[string]string{p.OptionalDependencies, p.Dependencies} {
		for name := range deps {
			if forThisMachine(name) {
				folders = append(folders, dependency(dir, name))
			}
		}
	}
	slices.Sort(folders[1:])
	var all, named []Step
	for _, folder := range folders {
		for _, f := range binaries(folder) {
			s := Step{f, "of its npm package"}
			all = append(all, s)
			if trimExt(f) == trimExt(path) {
				named = append(named, s)
			}
		}
	}
	if len(named) > 0 {
		return named
	}
	return all
}

func trimExt(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// forThisMachine reports whether a package's name says that it is for this
// machine.
func forThisMachine(name string) bool {
	arch := map[string][]string{"amd64": {"x64", "x86_64", "amd64"}, "arm64": {"arm64", "aarch64"}}[runtime.GOARCH]
	return strings.Contains(name, "linux") && slices.ContainsFunc(arch, func(a string) bool { return strings.Contains(name, a) })
}

// dependency returns the folder that Node finds the package name in for the
// package in dir, or "".
func dependency(dir, name string) string {
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if found := filepath.Join(dir, "node_modules", name); isFolder(found) {
			return found
		}
		if filepath.Base(dir) == "node_modules" && isFolder(filepath.Join(dir, name)) {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// binaries returns the executable ELF files below the folder of a package.
func binaries(folder string) (files []string) {
	if folder == "" {
		return nil
	}
	const deepest, most = 4, 1000 // folders in one another, files looked at
	n := 0
	filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		depth := strings.Count(strings.TrimPrefix(path, folder), string(filepath.Separator))
		n++
		switch {
		case err != nil:
			return nil // what may not be read is no program to run
		case d.IsDir() && (d.Name() == "node_modules" && path != folder || depth > deepest || n > most):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err == nil && info.Size() >= minBinary && info.Mode()&0o111 != 0 && bytes.HasPrefix(head(path, 4), []byte("\x7fELF")) {
			files = append(files, path)
		}
		return nil
	})
	return files
}
