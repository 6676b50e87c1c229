package main

import (
	"fmt"
	"runtime/debug"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

type diagramCommand struct{}

// Run prints docs/states.md.
func (diagramCommand) Run(t terminal) error {
	fmt.Fprint(t.out, fsm.Document())
	return nil
}

type versionCommand struct{}

// Run prints the version alone.
func (versionCommand) Run(t terminal) error {
	fmt.Fprintln(t.out, version())
	return nil
}

// release is set by the build (-ldflags -X main.release=...).
var release string

// version is the release, or where there is none the commit that was built.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
