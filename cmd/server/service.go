package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gerbang-id/gerbang"
	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/api/docs"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// Limits of the HTTP server.
const (
	readHeaderTimeout = 10 * time.Second
	// A bundle of 12 MiB in a minute is 1.7 Mbit/s, a poor mobile connection.
	readTimeout = time.Minute
	// It runs from the end of the header: an upload and its answer, or a poll
	// that waits its 60 s.
	writeTimeout   = 2*time.Minute + 15*time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
)

type serviceConfig struct {
	databaseURL string
	masterKey   pii.Secret
	vendors     vendorSettings
	work        workSettings
	notice      time.Duration // between /readyz turning 503 and the closed door
	log         *slog.Logger
}

// service is one process of Gerbang: the resumer and the HTTP interface on one
// store.
type service struct {
	serviceConfig
	store    *store.Store
	resumer  *resumer.Resumer
	handler  http.Handler
	calls    *vendors.Transport
	draining chan struct{}
	policy   struct {
		version  string
		products fsm.Products
	}
}

// newService opens the store and wires everything to it. The schema must be
// there.
func newService(ctx context.Context, c serviceConfig) (*service, error) {
	keys, err := keyring(c.masterKey)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.databaseURL, keys, store.Options{MaxConns: int(c.work.MaxConns)})
	if err != nil {
		return nil, err
	}
	if err := db.CheckKey(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("GERBANG_MASTER_KEY (--master-key): %w", err)
	}
	policy := c.work.policy(c.vendors)
	version, err := db.SavePolicy(ctx, policy)
	if err != nil {
		db.Close()
		return nil, err
	}
	s := &service{serviceConfig: c, store: db, draining: make(chan struct{})}
	s.policy.version, s.policy.products = version, policy.Products
	s.wire()
	return s, nil
}

func (s *service) wire() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	s.calls = vendors.NewTransport(s.work.VendorTimeout)
	caller := &vendors.Caller{Transport: s.calls, Timeout: s.work.VendorTimeout}
	var registryOffice *dukcapil.Client
	if s.vendors.DukcapilURL != "" {
		registryOffice = dukcapil.New(s.vendors.dukcapil(), caller)
	}
	s.resumer = resumer.New(resumer.Config{
		Store: s.store, QE: quantumelixir.New(s.vendors.quantumElixir(), caller), Dukcapil: registryOffice,
		Policy: s.policy.version,
		Lease:  s.work.Lease, PollInterval: s.work.PollInterval,
		RetryBase: s.work.RetryBase, RetryMax: s.work.RetryMax, UpgradeRetry: s.work.UpgradeRetry,
		MaxAttempts: int(s.work.MaxAttempts), Slots: int(s.work.Slots), Limits: s.work.QELimits,
		Log: s.log, Registerer: registry,
	})
	caller.OnRate = s.resumer.ObserveRate
	s.handler = api.New(api.Config{
		Store: s.store, Requests: s.resumer, Log: s.log, Registerer: registry,
		MaxBody: int64(s.work.MaxBody), Spec: gerbang.OpenAPI, Docs: docs.Handler("/openapi.yaml"),
		Metrics:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Ready:    s.store.Ready,
		Draining: s.draining,
	})
}

// serve works until ctx ends, then drains: no new work and 503 on /readyz at
// once, the door closed after the notice, requests and steps that run finished.
// The drain timeout bounds all of it.
func (s *service) serve(ctx context.Context, l net.Listener) error {
	defer s.store.Close()
	defer s.calls.CloseIdle()
	door := newDoor(newHTTPServer(s.handler, s.log), l)
	failed := make(chan error, 1)
	go func() { failed <- door.serve() }()
	// Not under ctx: a claim that is on its way when it ends is to be worked.
	var polling sync.WaitGroup
	polling.Go(func() { s.resumer.Run(context.WithoutCancel(ctx)) })

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.log.Info("draining", "timeout", s.work.DrainTimeout.String())
	close(s.draining)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.work.DrainTimeout)
	defer cancel()
	polling.Go(func() { s.resumer.Drain(bounded) })
	err = errors.Join(err, door.close(bounded, s.notice))
	polling.Wait()
	s.log.Info("ended")
	return err
}

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// listen opens an address; setting says where another can be chosen.
func listen(ctx context.Context, at address, setting string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", string(at))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another process: stop it, or choose another address with %s", at, setting)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}
