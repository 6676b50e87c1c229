package devpg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stub makes a bin directory whose postgres claims a version, without the
// named binaries.
func stub(t *testing.T, dir, version string, without ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Debian %s-1)'\n", version, version)
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if len(without) > 0 && without[0] == name {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	debian, brew := filepath.Join(root, "postgresql/*/bin"), filepath.Join(root, "opt/postgresql@*/bin")
	debian14 := stub(t, filepath.Join(root, "postgresql/14/bin"), "14.9")
	debian15 := stub(t, filepath.Join(root, "postgresql/15/bin"), "15.4")
	debian9 := stub(t, filepath.Join(root, "postgresql/9/bin"), "9.6.24")
	stub(t, filepath.Join(root, "postgresql/18/bin"), "18.1", "initdb")
	onPath := stub(t, filepath.Join(root, "local"), "16devel")
	brew17 := stub(t, filepath.Join(root, "opt/postgresql@17/bin"), "17.0")
	partial := stub(t, filepath.Join(root, "partial"), "17.0", "pg_ctl")

	tests := []struct {
		name          string
		variable      string
		path          []string
		before, after string
		want          string
		fails         string
	}{
		{name: "the variable alone counts", variable: brew17, path: []string{onPath}, before: debian, want: brew17},
		{name: "a wrong variable is not passed over", variable: debian14, path: []string{onPath}, before: debian, fails: "older than 15"},
		{name: "an incomplete variable", variable: partial, before: debian, fails: "no usable pg_ctl"},
		{name: "Debian first, its highest complete one", path: []string{onPath}, before: debian, after: brew, want: debian15},
		{name: "then the path, incomplete sets passed over", path: []string{"relative", partial, debian9, onPath}, after: brew, want: onPath},
		{name: "then Homebrew", path: []string{debian14}, after: brew, want: brew17},
		{name: "none", path: []string{debian14}, fails: "apt-get install postgresql"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{BinariesVariable: tt.variable, "PATH": strings.Join(tt.path, string(os.PathListSeparator))}
			found, err := findAll(func(name string) string { return env[name] }, []string{tt.before}, []string{tt.after})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want one line with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found[0].dir != tt.want {
				t.Errorf("found %s, want %s", found[0].dir, tt.want)
			}
		})
	}
}

func TestBinariesFitTheCluster(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	found := []installation{{"/seventeen", 17}, {"/fifteen", 15}}
	if dir, err := choose(found, data); err != nil || dir != "/seventeen" {
		t.Errorf("for no cluster: %s, %v", dir, err)
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("15\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if dir, err := choose(found, data); err != nil || dir != "/fifteen" {
		t.Errorf("for a cluster of 15: %s, %v", dir, err)
	}
}

const ensureScript = "../../scripts/ensure-postgres"

func TestEnsureScript(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, bin, says string
	}{
		{"recent", stub(t, filepath.Join(t.TempDir(), "bin"), "15.4"), ""},
		{"too old", stub(t, filepath.Join(t.TempDir(), "bin"), "14.9"), errNoBinaries.Error()},
		{"incomplete", stub(t, filepath.Join(t.TempDir(), "bin"), "17.0", "initdb"), errNoBinaries.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", ensureScript)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), BinariesVariable + "=" + tt.bin}
			out, err := cmd.CombinedOutput()
			if (err != nil) != (tt.says != "") || strings.TrimSpace(string(out)) != tt.says {
				t.Errorf("%v, printed %q, want %q", err, out, tt.says)
			}
		})
	}
}

// The script runs where there may be no Go yet, so the list is written twice.
func TestEnsureScriptLooksInTheSamePlaces(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(ensureScript)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(append([]string{fmt.Sprintf("oldest=%d\n", oldestMajor)}, beforePath...), afterPath...) {
		if !strings.Contains(string(script), want) {
			t.Errorf("%s does not know %q", ensureScript, want)
		}
	}
}
