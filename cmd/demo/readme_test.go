package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is what stands under a heading of the second level.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(readme(t), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// blocks are the fenced blocks of a language, one after the other.
func blocks(text, language string) string {
	var all strings.Builder
	fence := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```")
	for _, b := range fence.FindAllStringSubmatch(text, -1) {
		all.WriteString(b[1])
	}
	return all.String()
}

// The walk-through is executed as it stands, against what `make run` runs.
func TestTheWalkThroughWorksWhenPasted(t *testing.T) {
	t.Parallel()
	dir, url := dev(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-eu")
	shell.Dir, shell.Env = dir, append(os.Environ(), "GERBANG="+url)
	shell.Stdin = strings.NewReader(blocks(section(t, "Walk-through"), "sh"))
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr.String())
	}
	rest := string(out)
	for _, want := range []string{
		`"capture_ktp"`, `"in_review"`, `"claimedBy":"`, `"HASAN UJI TINJAU"`, `"state":"decided"`, `"capture_selfie"`,
		`"status":"approved"`, `"kycLevel":"premium"`, `"event":"approve"`, `"waitingFor":"nobody"`,
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%s is not there, or not in its place:\n%s", want, out)
		}
		rest = after
	}
}

// dev runs `server dev` in a directory of its own and returns that and the
// service's address.
func dev(t *testing.T) (dir, url string) {
	t.Helper()
	// Under root Postgres runs as somebody else, who must get there: t.TempDir
	// would be closed to them.
	dir, err := os.MkdirTemp("", "gerbang-readme-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "dev")
	cmd.Dir = dir
	cmd.Env = append(environment(), "GERBANG_SANDBOX_ADDR=127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if name, value, _ := strings.Cut(lines.Text(), " "); name == "service" {
				address <- strings.TrimSpace(value)
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("server dev: %v\n%s", err, log.String())
		}
	})
	select {
	case url = <-address:
		return dir, url
	case err := <-ended:
		ended <- err
		t.Fatalf("server dev ended at its start:\n%s", log.String())
	case <-time.After(time.Minute):
		t.Fatal("server dev is not ready after a minute")
	}
	return "", ""
}

// What the commands can be configured with is what the README says.
func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"GERBANG_PG_BIN": ""} // of internal/devpg, not of a command
	usage := regexp.MustCompile(`(?s)--[a-z-]+=(\S+)\s(.*?)\(\$([A-Z_]+)\)`)
	for _, command := range []string{"serve", "dev", "sandbox"} {
		help, err := exec.CommandContext(t.Context(), binary, command, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		found := usage.FindAllStringSubmatch(string(help), -1)
		if len(found) == 0 {
			t.Fatalf("no variables in\n%s", help)
		}
		for _, m := range found {
			if _, known := variables[m[3]]; !known {
				variables[m[3]] = m[1]
			}
		}
	}
	documented := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*?) \\|")
	for _, m := range row.FindAllStringSubmatch(section(t, "Configuration"), -1) {
		documented[m[1]] = m[2]
	}
	isDefault := regexp.MustCompile(`^[0-9]`) // a placeholder that is a value is the default
	for name, placeholder := range variables {
		said, ok := documented[name]
		switch {
		case !ok:
			t.Errorf("README.md does not document %s", name)
		case isDefault.MatchString(placeholder) && name != "GERBANG_SANDBOX_LATENCY" && said != "`"+placeholder+"`":
			t.Errorf("README.md says the default of %s is %s, the command says %s", name, said, placeholder)
		}
	}
	for name := range documented {
		if _, ok := variables[name]; !ok {
			t.Errorf("README.md documents %s, which no command knows", name)
		}
	}
}

func TestTheReadmesPersonsAreTheSandboxs(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile(`(?m)^\| ([A-Z][^|]*?) \| ([^|]*?) \|$`)
	rows := row.FindAllStringSubmatch(section(t, "The sandbox"), -1)
	if len(rows) < 10 {
		t.Fatalf("only %d persons", len(rows))
	}
	for _, m := range rows {
		if !slices.ContainsFunc(sandbox.Persons, func(p sandbox.Person) bool { return p.Name == m[1] && p.What == m[2] }) {
			t.Errorf("the sandbox has no %q with %q", m[1], m[2])
		}
	}
}

func TestTheReadmesRolesAreTheServices(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| .*? \\| (.*) \\|$")
	scope := regexp.MustCompile("`([a-z:]+)`")
	documented := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(section(t, "Keys and roles"), -1) {
		for _, s := range scope.FindAllStringSubmatch(m[2], -1) {
			documented[m[1]] = append(documented[m[1]], s[1])
		}
		slices.Sort(documented[m[1]])
	}
	for _, role := range api.Roles() {
		var want []string
		for _, s := range api.ScopesOf(role) {
			want = append(want, string(s))
		}
		if slices.Sort(want); role == "admin" {
			want = []string{"webhooks:manage"} // all of them, this one among them
		}
		if !slices.Equal(documented[role], want) {
			t.Errorf("README.md gives %s %v, the service %v", role, documented[role], want)
		}
	}
}

// The README's picture leaves much out; what it shows must be so.
func TestTheReadmesPictureIsTrue(t *testing.T) {
	t.Parallel()
	picture := blocks(section(t, "The machine"), "mermaid")
	arrow := regexp.MustCompile(`(?m)^ +([a-z_]+) --> ([a-z_]+)`)
	for _, m := range arrow.FindAllStringSubmatch(picture, -1) {
		if !drawable(fsm.State(m[1]), fsm.State(m[2])) {
			t.Errorf("the table has no way from %s to %s", m[1], m[2])
		}
	}
	for _, s := range fsm.States() {
		if s != fsm.Cancelled && !strings.Contains(picture, "> "+string(s)) {
			t.Errorf("%s is not in the picture", s)
		}
	}
}

func TestTheReadmeCountsTheCast(t *testing.T) {
	t.Parallel()
	if len(cast) != 16 {
		t.Errorf("there are %d customers now: README.md and CHANGELOG.md say sixteen", len(cast))
	}
}
