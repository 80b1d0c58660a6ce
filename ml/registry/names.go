package registry

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

const (
	modelsDir    = "models"
	pointerDir   = "pointer"
	witnessDir   = "pointer.was" // beside it: the copy of each change
	manifestName = "manifest.json"

	versionTime = "20060102T150405Z"
)

// None of these patterns lets a slash or a leading dot through, so that a name is
// always one part of a path.
var (
	namePattern    = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	versionPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)
	filePattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)
	hashPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("name of a model: expected up to 63 lower-case letters, digits and inner hyphens, found %q", name)
	}
	return nil
}

func checkVersion(version string) error {
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("version of a model: expected one such as 20260301T120000Z-1a2b3c4d, found %q", version)
	}
	return nil
}

func checkFile(name string) error {
	if !filePattern.MatchString(name) || name == manifestName {
		return fmt.Errorf("file of a model: expected up to 100 lower-case letters, digits, dots, hyphens and underscores, not %s, found %q", manifestName, name)
	}
	return nil
}

// versionOf is the version of a manifest with this text.
func versionOf(created time.Time, text []byte) string {
	return created.UTC().Format(versionTime) + "-" + hash(text)[:8]
}

// fileName is the object of a file of a version.
func fileName(name, version, file string) string {
	return modelsDir + "/" + name + "/" + version + "/" + file
}

// pointerName is the object of a change.
func pointerName(name string, number int) string {
	return fmt.Sprintf("%s/%s/%s/%06d.json", modelsDir, name, pointerDir, number)
}

// witnessName is the copy of a change, by which a lost one is missed.
func witnessName(name string, number int) string {
	return fmt.Sprintf("%s/%s/%s/%06d.json", modelsDir, name, witnessDir, number)
}

// splitName takes the name of an object apart; false if it is none of a registry.
func splitName(object string) (name, version, file string, ok bool) {
	parts := strings.Split(object, "/")
	if len(parts) != 4 || parts[0] != modelsDir || checkName(parts[1]) != nil {
		return "", "", "", false
	}
	return parts[1], parts[2], parts[3], true
}
