package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// newVendors plays the vendors and returns the variables that reach them.
func newVendors(t *testing.T) []string {
	t.Helper()
	vendors := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(vendors)
	t.Cleanup(func() { vendors.Close(); server.Close() })
	d := sandbox.DefaultDukcapil
	return []string{
		"GERBANG_QE_IDENTITY_URL=" + server.URL + "/identity", "GERBANG_QE_IDENTITY_KEY=" + sandbox.DefaultIdentityKey,
		"GERBANG_QE_AML_URL=" + server.URL + "/aml", "GERBANG_QE_AML_KEY=" + sandbox.DefaultAMLKey,
		"GERBANG_DUKCAPIL_URL=" + server.URL, "GERBANG_DUKCAPIL_CUSTOMER_ID=" + d.CustomerID,
		"GERBANG_DUKCAPIL_USER_ID=" + d.UserID, "GERBANG_DUKCAPIL_PASSWORD=" + d.Password,
		"GERBANG_DUKCAPIL_IP_USER=" + d.IPUser,
	}
}

// startServe runs the service on a migrated database and returns its address
// and the variables of its database.
func startServe(t *testing.T) (*process, string, []string) {
	t.Helper()
	database := []string{"DATABASE_URL=" + databases.New(t).URL}
	if got := runs(t, database, "migrate", "up"); got.code != exitOK {
		t.Fatal(got.stderr)
	}
	env := append(newVendors(t), "GERBANG_MASTER_KEY="+masterKey, "GERBANG_ADDR=127.0.0.1:0")
	p := start(t, append(env, database...), "serve")
	var line struct {
		Addr, Policy string
		Schema       int
		Dukcapil     bool
		AntiFraud    bool `json:"anti_fraud"`
	}
	if err := json.Unmarshal([]byte(`{"msg":"serving"`+p.awaits(p.stderr, `"msg":"serving"`)), &line); err != nil {
		t.Fatal(err)
	}
	if line.Policy == "" || line.Schema == 0 || !line.Dukcapil || line.AntiFraud {
		t.Errorf("%+v", line)
	}
	return p, "http://" + line.Addr, database
}

func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// onboard creates an onboarding and waits until it asks for the KTP.
func onboard(t *testing.T, base, key string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/onboardings", strings.NewReader(
		`{"applicationId":"app-1","fullName":"Citra Uji Lancar","email":"citra@example.test","phone":"+6281200000001"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	status, body := send(t, req)
	if status != http.StatusCreated {
		t.Fatal(status, body)
	}
	var view struct{ ID, Status string }
	for deadline := time.Now().Add(patience); view.Status != "awaiting_input"; {
		if err := json.Unmarshal([]byte(body), &view); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("still", view.Status)
		}
		status, body = get(t, base+"/onboardings/"+view.ID+"?wait=1", key)
		if status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	p, base, database := startServe(t)
	key := strings.TrimSpace(runs(t, database, "keys", "create", "--client", "toko", "--role", "frontend").stdout)
	onboard(t, base, key)
	if status, body := get(t, base+"/metrics", ""); status != http.StatusOK ||
		!strings.Contains(body, "gerbang_moves_total") || !strings.Contains(body, "go_goroutines") {
		t.Error(status, body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/docs"} {
		if status, body := get(t, base+path, ""); status != http.StatusOK {
			t.Error(path, status, body)
		}
	}

	// The door stays open for a moment, so that whoever asks is told to go away.
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.awaits(p.stderr, `"msg":"draining"`)
	if status, body := get(t, base+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Error(status, body)
	}
	if got := p.wait(); got.code != exitOK || strings.Contains(got.stderr, `"level":"ERROR"`) {
		t.Error(got.code, got.stderr)
	}
}

func TestServeAnswersWaitingPollsWhenItEnds(t *testing.T) {
	t.Parallel()
	p, base, database := startServe(t)
	key := strings.TrimSpace(runs(t, database, "keys", "create", "--client", "toko", "--role", "frontend").stdout)
	onboard(t, base, key)
	_, body := get(t, base+"/onboardings", key)
	var list struct {
		Items []struct {
			ID      string
			Version int
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 1 {
		t.Fatal(err, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/onboardings/"+list.Items[0].ID+"?wait=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("If-None-Match", `"2"`)
	answered := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		answered <- resp.StatusCode
		_ = resp.Body.Close()
	}()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.wait(); got.code != exitOK {
		t.Error(got.code, got.stderr)
	}
	if status := <-answered; status != http.StatusNotModified && status != http.StatusOK {
		t.Error("the poll was answered with", status)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p, _, _ := startServe(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
		select {
		case <-tick.C:
			continue
		case <-p.ended:
		}
		break
	}
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("it ended by itself: %v\n%s", p.cmd.ProcessState, p.stderr)
	}
}

func TestServeRefusesAnEmptySchema(t *testing.T) {
	t.Parallel()
	env := append(newVendors(t), "GERBANG_MASTER_KEY="+masterKey, "GERBANG_ADDR=127.0.0.1:0", "DATABASE_URL="+databases.New(t).URL)
	if got := runs(t, env, "serve"); got.code != exitFailed || !strings.Contains(got.stderr, "run `server migrate up`") {
		t.Error(got)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + databases.New(t).URL}
	for _, step := range []struct{ args, want string }{
		{"status", `^schema 0, this binary \d+: behind: run .server migrate up.\n$`},
		{"up", `^schema 0 -> \d+\n$`},
		{"up", `^schema \d+: nothing to do\n$`},
		{"status", `: up to date\n$`},
		{"down", `^schema \d+ -> \d+\n$`},
		{"status", `: behind: `},
	} {
		got := runs(t, env, "migrate", step.args)
		if got.code != exitOK || got.stderr != "" || !regexp.MustCompile(step.want).MatchString(got.stdout) {
			t.Fatalf("%s: %+v", step.args, got)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + databases.New(t).URL}
	if got := runs(t, env, "keys", "list"); got.code != exitFailed || !strings.Contains(got.stderr, "migrate up") {
		t.Error("on an empty schema:", got)
	}
	runs(t, env, "migrate", "up")
	got := runs(t, env, "keys", "create", "--client", "toko", "--role", "analyst", "--subject", "Sari Analyst", "--expires", "90d")
	match := regexp.MustCompile(`^gbk_([0-9a-f]+)_([0-9a-f]+)\n$`).FindStringSubmatch(got.stdout)
	if match == nil || got.code != exitOK || got.stderr != "" {
		t.Fatal(got)
	}
	id, secret := match[1], match[2]
	want := regexp.MustCompile(id + ` +toko +analyst +Sari Analyst +\S+ +\d{4}-\d\d-\d\d +-\n`)
	if got := runs(t, env, "keys", "list"); !want.MatchString(got.stdout) || strings.Contains(got.stdout, secret) {
		t.Error(got)
	}
	if got := runs(t, env, "keys", "revoke", id); got.code != exitOK {
		t.Error(got)
	}
	if got := runs(t, env, "keys", "revoke", id); got.code != exitFailed {
		t.Error("revoked twice:", got)
	}
	if got := runs(t, env, "keys", "create", "--client", "toko", "--role", "king"); got.code != exitUsage || got.stdout != "" {
		t.Error("unknown role:", got)
	}
}

var devLine = regexp.MustCompile(`(?m)^(\S+) +(\S+)`)

// devSays reads the printed table of URLs and keys.
func devSays(p *process) map[string]string {
	p.awaits(p.stdout, "Ctrl-C")
	said := map[string]string{}
	for _, m := range devLine.FindAllStringSubmatch(p.stdout.String(), -1) {
		said[m[1]] = m[2]
	}
	return said
}

func TestDev(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".gerbang")
	args := []string{"dev", "--dir", dir, "--addr", "127.0.0.1:0", "--sandbox-addr", "127.0.0.1:0"}
	var keys string
	for round := range 2 {
		p := start(t, nil, args...)
		said := devSays(p)
		socket := socketOf(t, said["database"])
		if !strings.HasPrefix(socket, dir) { // under root, out of the temporary directory
			t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(socket)) })
		}
		if status, body := get(t, said["service"]+"/readyz", ""); status != http.StatusOK {
			t.Error(status, body)
		}
		if round == 0 {
			onboard(t, said["service"], said["frontend"])
		} else if status, body := get(t, said["service"]+"/onboardings", said["frontend"]); !strings.Contains(body, "app-1") {
			t.Error("the data did not stay:", status, body)
		}
		kept, err := os.ReadFile(filepath.Join(dir, "keys.json"))
		if err != nil || round == 1 && string(kept) != keys {
			t.Error("the keys did not stay:", err)
		}
		keys = string(kept)
		for _, name := range []string{"keys.json", "master.key"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Error(name, info, err)
			}
		}

		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got := p.wait(); got.code != exitOK || strings.Contains(got.stderr, "level=ERROR") {
			t.Error(got.code, got.stderr)
		}
		if conn, err := new(net.Dialer).DialContext(context.Background(), "unix", socket); err == nil {
			_ = conn.Close()
			t.Error("Postgres is still there")
		}
	}
}

func socketOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := runs(t, nil, "dev", "--addr", l.Addr().String())
	if got.code != exitFailed || !strings.Contains(got.stderr, "in use by another process") {
		t.Error(got)
	}
	got = runs(t, nil, "sandbox", "--addr", l.Addr().String())
	if got.code != exitFailed || !strings.Contains(got.stderr, "in use by another process") {
		t.Error(got)
	}
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "sandbox", "--addr", "127.0.0.1:0")
	base := p.awaits(p.stdout, "GERBANG_DUKCAPIL_URL=")
	if status, _ := get(t, base+"/identity/api/identity/kyc/cus_none", sandbox.DefaultIdentityKey); status != http.StatusNotFound {
		t.Error(status)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := p.wait(); got.code != exitOK {
		t.Error(got)
	}
}

func TestDiagramIsTheDocument(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := runs(t, nil, "diagram"); got.stdout != string(want) {
		t.Error("docs/states.md is not what internal/fsm says: run `make diagram`")
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--help"}, {"serve", "--help"}} {
		if got := runs(t, []string{"GERBANG_MASTER_KEY=hunter2"}, args...); got.code != exitOK || got.stdout == "" ||
			strings.Contains(got.stdout, "hunter2") {
			t.Error(args, got)
		}
	}
}
