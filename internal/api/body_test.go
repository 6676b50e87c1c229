package api

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/gerbang-id/gerbang/internal/store"
)

// Once it is in memory a bundle of megabytes is read, and not copied: a hundred
// of them at once have to fit.
func TestBundleIsNotCopied(t *testing.T) { // not parallel: it measures what all allocate
	frame := strings.Repeat("A", 1<<20)
	body := fmt.Appendf(nil, `{"bundle":{"frames":["%[1]s","%[1]s","%[1]s","%[1]s","%[1]s"],"flashChallengeNonce":"n"}}`, frame)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := checkObject(body); err != nil {
		t.Fatal(err)
	}
	c, err := readCapture(store.KTP, body)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
		t.Errorf("%d KiB were allocated to read a bundle of %d", grown>>10, len(body)>>10)
	}
	if at := bytes.Index(body, []byte(`{"frames`)); unsafe.SliceData(c.Bundle) != &body[at] {
		t.Error("the bundle is a copy")
	}
	if c.Nonce != "n" || cap(c.Bundle) != len(c.Bundle) {
		t.Errorf("nonce %q, room for %d after the bundle", c.Nonce, cap(c.Bundle)-len(c.Bundle))
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	object := []byte(` { "a" : [1, {"b":2}] , "\u0062":{ "c" :null}, "d/~":-1.0e2,"":"" } `)
	if err := checkObject(object); err != nil {
		t.Fatal(err)
	}
	got := ""
	for name, value := range members(object) {
		got += name + "=" + string(value) + ";"
	}
	if want := `a=[1, {"b":2}];b={ "c" :null};d/~=-1.0e2;="";`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkCheckObject(b *testing.B) {
	body := []byte(`{"bundle":{"frames":["` + strings.Repeat("A", 5<<20) + `"]}}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := checkObject(body); err != nil {
			b.Fatal(err)
		}
	}
}
