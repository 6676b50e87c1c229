package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// binary is the server all tests here share: built once, as its users would.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gerbang-demo-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestTheDemoEndsAsItShould(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-server", binary, "-latency", "10ms"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		fmt.Sprintf("All %d customers ended as they should.", len(cast)), "0 done twice, 0 violations",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	for _, r := range cast {
		if !strings.Contains(out.String(), "\n✓ "+r.name) {
			t.Errorf("the table has no line of %s", r.name)
		}
	}
}

func TestADemoOutOfTimeFails(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := run(t.Context(), []string{"-server", binary, "-timeout", "1ns"}, &out)
	if err == nil || !strings.Contains(err.Error(), "start the stack") {
		t.Errorf("err = %v", err)
	}
}
