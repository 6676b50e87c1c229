package devpg

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childVariable makes this test binary a program that starts a server and then
// hangs; its value says in which directory, "throwaway" for none.
const childVariable = "DEVPG_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

func child(dir string) {
	if dir == "throwaway" {
		dir = ""
	}
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.PID(), s.Dir())
	<-s.Done() // until we are killed
	os.Exit(1)
}

// spawn starts the child; the returned function kills it the hard way.
func spawn(t *testing.T, dir string) (out *bufio.Reader, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill() // SIGKILL; it may be dead already
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return bufio.NewReader(pipe), kill
}

func TestEndsWithItsParent(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"throwaway": "throwaway",
		"durable":   filepath.Join(tempDir(t), "postgres"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, kill := spawn(t, dir)
			var pid int
			var where string
			if _, err := fmt.Fscan(out, &pid, &where); err != nil {
				t.Fatalf("the child did not start a server: %v", err)
			}
			if gone(pid) {
				t.Fatalf("there is no process %d", pid)
			}
			kill()
			eventually(t, "Postgres is gone after its parent was killed", func() bool { return gone(pid) })
			if dir == "throwaway" {
				eventually(t, "its directory is removed", func() bool { return missing(where) })
				return
			}
			begin(t, dir) // at once, while the old one may still be ending
		})
	}
}

// A parent killed while initdb runs leaves no half cluster that would be taken
// for a whole one.
func TestParentKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	_, kill := spawn(t, dir)
	eventually(t, "initdb is at work", func() bool { return !missing(filepath.Join(dir, "data.new", "PG_VERSION")) })
	kill()
	if !missing(filepath.Join(dir, "data")) {
		t.Fatal("initdb had ended: nothing was interrupted")
	}
	s := begin(t, dir)
	if got := query(t, s.URL("postgres"), "SELECT 'whole'"); got != "whole" {
		t.Errorf("got %q", got)
	}
	if !missing(filepath.Join(dir, "data.new")) {
		t.Error("the half cluster is still there")
	}
}
