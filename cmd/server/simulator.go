package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// simulator is a small company's Duo account: a record every 90 seconds on average,
// of which one in 40 appears four minutes late. Records depend on their time alone,
// so a later process sees the same ones.
var simulator = duosim.Config{
	IKey: "DISIMULATEDACCOUNT00", SKey: "simulated-secret-key", Host: "api-simulated.duosecurity.com",
	Generate: duosim.Generator{Seed: 1, PerHour: 40, LateOneIn: 40, LateBy: 4 * time.Minute},
}

// namesDuo reports whether the environment names a real Duo application.
func namesDuo(lookup func(string) (string, bool)) bool {
	_, ikey := lookup("DUO_IKEY")
	_, host := lookup("DUO_API_HOST")
	_, key := lookup("DUO_SKEY")
	_, file := lookup("DUO_SKEY_FILE")
	return ikey && host && (key || file)
}

// simulateDuo starts the simulator, which ends with the process. It returns the
// environment with the simulator's variables.
func simulateDuo(ctx context.Context, lookup func(string) (string, bool)) (func(string) (string, bool), error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the Duo simulator: %w", err)
	}
	go serve(context.WithoutCancel(ctx), listener, duosim.New(simulator), slog.Default())
	return overlaid(lookup, map[string]string{
		"DUO_IKEY": simulator.IKey, "DUO_SKEY": simulator.SKey, "DUO_API_HOST": simulator.Host,
		"DUO_API_URL": "http://" + listener.Addr().String(),
	}), nil
}
