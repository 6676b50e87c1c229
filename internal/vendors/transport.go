package vendors

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
)

// Transport carries every call to every vendor: one pool of connections, each
// behind the fence. Make it with NewTransport.
type Transport struct {
	base *http.Transport
	now  func() time.Time
}

// NewTransport builds the shared transport. timeout bounds the wait for the
// first byte of an answer; Caller bounds the whole call.
//
//   - HTTP/1.1 only: one request at a time owns a connection, which is what the
//     fence needs, and a stuck stream cannot hold up others.
//   - HTTP_PROXY and its kin are ignored: personal data goes to the configured
//     address and nowhere else.
//   - Redirects are never followed: a Caller uses the transport directly.
//   - Idle connections close before the 60 s after which most servers close
//     theirs, so that few requests meet a dying connection.
func NewTransport(timeout time.Duration) *Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Transport{
		now: time.Now,
		base: &http.Transport{
			Proxy: nil,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dial(ctx, dialer, network, addr)
			},
			Protocols:              protocols,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           512,
			MaxIdleConnsPerHost:    128,
			IdleConnTimeout:        45 * time.Second,
			DisableCompression:     true,
		},
	}
}

// dial opens a connection behind the fence.
func dial(ctx context.Context, d *net.Dialer, network, addr string) (net.Conn, error) {
	crashpoint.Hit("vendor-before-dial")
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &fencedConn{Conn: conn}, nil
}

// CloseIdle closes the connections nobody uses, at the end of the process.
func (t *Transport) CloseIdle() { t.base.CloseIdleConnections() }

// send makes one request behind the fence. It reports besides whether any byte
// of it was handed to a connection.
//
// net/http plays a request again on a fresh connection when a pooled one turns
// out dead, and takes the Idempotency-Key header for leave to do so with a
// POST. That is wanted while nothing was written and forbidden afterwards: the
// fence refuses a POST on a second connection.
func (t *Transport) send(req *http.Request) (resp *http.Response, sent bool, err error) {
	ctx, refuse := context.WithCancelCause(req.Context())
	f := &fence{once: req.Method != http.MethodGet, now: t.now, refuse: refuse}
	f.deadline, _ = ctx.Value(sendDeadlineKey{}).(time.Time)
	if f.passed() {
		refuse(ErrLeasePassed)
		return nil, false, ErrLeasePassed
	}
	// The trace arms the connection before the transport writes the first byte;
	// cancelling ctx keeps it from trying the next one once the fence has spoken.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { fencedUnder(info.Conn).arm(f) },
	})
	crashpoint.Hit("vendor-before-request")
	resp, err = t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		refuse(err)
	}
	return resp, f.sent(), err
}
